// Why a task ran where it did: every worker that was looked at, and what spoke against it.
import { html } from "../html.js";
import { Glyph } from "./marks.js";

export function Routing({ task }) {
  const routing = task.routing ?? task.result?.metrics?.routing;
  if (!routing?.considered) return null;
  const rows = Object.entries(routing.considered).sort(([a], [b]) => (b === routing.worker) - (a === routing.worker));
  return html`<section>
    <h3>Routing</h3>
    <ul class="routing">${rows.slice(0, 40).map(([worker, why]) => html`<li key=${worker}>
      <${Glyph} tone=${worker === routing.worker ? "done" : why === "usable" ? "wait" : "off"} />
      <span class="clip" title=${worker}>${worker}</span>
      <span class="soft">${worker === routing.worker ? "chosen" : why === "usable" ? "could have run it" : why}</span>
    </li>`)}</ul>
  </section>`;
}
