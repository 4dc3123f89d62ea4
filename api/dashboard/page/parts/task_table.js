// Tasks as rows.
import { html } from "../html.js";
import { openTask, taskHref } from "../route.js";
import { summaryOf, timesOf, workerOf } from "../task_facts.js";
import { clock, exact, now, parse, serverNow, span } from "../time.js";
import { isFinal, PRIORITIES, short } from "../words.js";
import { State } from "./marks.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

export function TaskTable({ tasks, marked, opened }) {
  const at = now.value && serverNow();
  const hasCallers = tasks.some((task) => task.caller), hasNames = tasks.some((task) => !UUID.test(task.id));
  return html`<table class=${`list open ${hasCallers ? "" : "no-callers"} ${hasNames ? "names" : ""}`}>
    <thead><tr>
      <th scope="col" class="c-state">status</th><th scope="col" class="c-id">id</th><th scope="col">task</th><th scope="col" class="c-prio">priority</th>
      <th scope="col" class="c-worker">worker</th><th scope="col" class="c-who">caller</th>
      <th scope="col" class="c-time num">waited</th><th scope="col" class="c-time num">ran</th><th scope="col" class="c-at num">submitted</th>
    </tr></thead>
    <tbody>${tasks.map((task) => html`<${Row} key=${task.id} task=${task} at=${isFinal(task.status) ? 0 : at} isMarked=${task.id === marked} isOpened=${task.id === opened} />`)}</tbody>
  </table>`;
}

function Row({ task, at, isMarked, isOpened }) {
  const { waited, ran } = timesOf(task, at);
  const summary = summaryOf(task);
  const open = (event) => { if (!event.target.closest("a") && !String(getSelection())) openTask(task.id); };
  return html`<tr class=${isOpened ? "opened" : isMarked ? "marked" : ""} aria-current=${isOpened ? "true" : null} onClick=${open}>
    <td class="c-state"><${State} status=${task.status} />${task.retry_count > 0 && html`<span class="faint" title="retries"> ×${task.retry_count + 1}</span>`}</td>
    <td class="c-id drop mono faint clip">${short(task.id)}</td>
    <td class="clip grow"><a href=${taskHref(task.id)} title=${task.id}><span class="kind">${task.type}</span></a>${" "}<span class=${task.status === "failed" ? "why" : "soft"} title=${summary}>${summary}</span>${" "}${(task.tags ?? []).slice(0, 3).map((tag) => html`<span class="tag" key=${tag}>${tag}</span>`)}</td>
    <td class=${`c-prio drop ${task.priority < 2 ? "" : "soft"}`}>${PRIORITIES[task.priority] ?? task.priority}</td>
    <td class="c-worker clip drop soft" title=${workerOf(task)}>${workerOf(task)}</td>
    <td class="c-who clip drop soft" title=${task.caller}>${task.caller ?? ""}</td>
    <td class="c-time num drop soft">${span(waited)}</td>
    <td class="c-time num side">${span(ran)}</td>
    <td class="c-at num side faint" title=${exact(task.submitted_at)}>${clock(parse(task.submitted_at))}</td>
  </tr>`;
}
