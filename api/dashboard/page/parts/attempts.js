// What each attempt asked of a language model, as the ledger keeps it.
import { html } from "../html.js";
import { clock, parse } from "../time.js";
import { about, money } from "../words.js";

const first = (row, ...names) => names.map((name) => row[name]).find((value) => value !== undefined && value !== null);

export function Attempts({ task }) {
  const attempts = task.attempts ?? [];
  if (!attempts.length) return null;
  const asksModels = attempts.some((row) => row.model);
  return html`<section>
    <h3>Attempts</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="Attempts">
      <table class=${`list keep ${asksModels ? "attempts" : ""}`}>
        <thead><tr><th scope="col">at</th><th scope="col">worker</th>${asksModels && html`<th scope="col">model</th><th scope="col" class="num">tokens</th><th scope="col" class="num">cost</th>`}<th scope="col">state</th></tr></thead>
        <tbody>${attempts.map((row, index) => html`<tr key=${index}>
          <td>${clock(parse(first(row, "at", "started_at")))}</td><td class="clip" title=${row.worker_id}>${row.worker_id}</td>
          ${asksModels && html`<td class="clip" title=${row.model}>${row.model}</td><td class="num">${about(first(row, "tokens", "total_tokens"))}</td><td class="num">${money(first(row, "cost_usd", "cost"))}</td>`}
          <td class="clip" title=${row.error ?? row.state}>${row.error ?? row.state}</td>
        </tr>`)}</tbody>
      </table>
    </div>
  </section>`;
}
