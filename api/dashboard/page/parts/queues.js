// The queues by priority: how many wait, and the oldest for how long. Bars are on one logarithmic scale.
import { html } from "../html.js";
import { status } from "../live.js";
import { span } from "../time.js";
import { about, PRIORITIES } from "../words.js";

const DECADES = 5; // 1 to 100,000

export function Queues() {
  const queues = status.value?.queues;
  const total = queues ? PRIORITIES.reduce((sum, name) => sum + (queues[name]?.waiting ?? 0), 0) : null;
  return html`<section class="part" aria-labelledby="queues-title">
    <div class="head"><h2 id="queues-title">Queues</h2><span class="soft">${total === null ? "" : total ? `${about(total)} wait` : "nothing waits"}</span></div>
    <table class="queues">
      <thead class="hush"><tr><th scope="col">Priority</th><th scope="col">Waiting</th><th scope="col">Share</th><th scope="col">Oldest wait</th></tr></thead>
      <tbody>${PRIORITIES.map((name, level) => html`<${Lane} key=${name} name=${name} level=${level} queue=${queues?.[name]} />`)}</tbody>
    </table>
  </section>`;
}

function Lane({ name, level, queue }) {
  const waiting = queue?.waiting ?? 0;
  const share = waiting ? Math.min(1, (Math.log10(waiting) + 0.6) / DECADES) : 0;
  return html`<tr class=${waiting ? "" : "empty"}>
    <th scope="row"><a href=${`#/tasks?priority=${level}&status=queued`}>${name}</a></th>
    <td class="num">${queue ? about(waiting) : "–"}</td>
    <td class="lane"><svg width="100%" height="10" aria-hidden="true"><line x1="0" x2="100%" y1="9.5" y2="9.5" /><rect width=${`${share * 100}%`} y="1" height="8" /></svg></td>
    <td class="num soft">${waiting ? span((queue.oldest_wait_seconds ?? 0) * 1000) : ""}</td>
  </tr>`;
}
