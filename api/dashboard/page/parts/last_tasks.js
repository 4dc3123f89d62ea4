// The tasks that ended last, one mark each: a failure stands out, and each opens its task.
import { html } from "../html.js";
import { taskHref } from "../route.js";
import { known, version } from "../store.js";
import { now, serverNow, span } from "../time.js";
import { short } from "../words.js";
import { State } from "./marks.js";
import { summaryOf, timesOf } from "../task_facts.js";

const SHOWN = 12;

export function LastTasks() {
  const newest = version.value >= 0 ? [...known.values()].filter((task) => task.started_at).sort((a, b) => (b.completed_at ?? b.started_at).localeCompare(a.completed_at ?? a.started_at)).slice(0, SHOWN) : [];
  return html`<section class="part" aria-labelledby="recent-title">
    <div class="head"><h2 id="recent-title">Last tasks</h2><a href="#/tasks">all</a></div>
    ${!newest.length && html`<p class="nothing">None has run yet. <a href="#/submit">Submit one</a>.</p>`}
    <table class="list recent">
      <colgroup><col class="w-state" /><col /><col class="w-worker" /><col class="w-time" /></colgroup>
      <thead class="hush"><tr><th scope="col">Status</th><th scope="col">Task</th><th scope="col">Worker</th><th scope="col">Time</th></tr></thead>
      <tbody>${newest.map((task) => html`<tr key=${task.id}>
        <td><${State} status=${task.status} /></td>
        <td class="clip grow"><a href=${taskHref(task.id)}><span class="kind">${task.type}</span> <span class="mono faint">${short(task.id)}</span></a> <span class=${task.status === "failed" ? "why" : "soft"}>${summaryOf(task)}</span></td>
        <td class="clip soft drop">${task.result?.worker_id ?? task.worker_id ?? ""}</td>
        <td class="num side">${span(timesOf(task, now.value && serverNow()).ran)}</td>
      </tr>`)}</tbody>
    </table>
  </section>`;
}
