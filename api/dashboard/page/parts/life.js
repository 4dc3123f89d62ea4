// The life of a task as one line: how long it waited, and how long it ran.
import { html } from "../html.js";
import { clock, now, parse, serverNow, span } from "../time.js";
import { timesOf } from "../task_facts.js";
import { isFinal } from "../words.js";
import { toneOf } from "./marks.js";

const LEAST = 0.02;

export function Life({ task }) {
  const { waited, ran } = timesOf(task, now.value && serverNow());
  const total = (waited ?? 0) + (ran ?? 0) || 1;
  const wait = ran === null ? 1 : Math.min(1 - LEAST, Math.max(LEAST, (waited ?? 0) / total));
  const progress = !isFinal(task.status) && task.progress ? Math.min(1, task.progress) : null;
  return html`<section class="life" aria-label="Its life">
    <svg width="100%" height="14" aria-hidden="true">
      <line class="floor" x1="0" x2="100%" y1="13.5" y2="13.5" />
      <rect class=${ran === null ? "f-hold" : "f-off"} x="0" y="4" height="6" width=${`${wait * 100}%`} />
      ${ran !== null && html`<rect class=${`f-${toneOf(task.status)}`} x=${`${wait * 100}%`} y="1" height="12" width=${`${(1 - wait) * 100}%`} />`}
    </svg>
    <ol>
      <li><span class="faint">submitted</span> ${clock(parse(task.submitted_at))}</li>
      <li><span class="faint">waited</span> ${span(waited)}</li>
      ${task.started_at && html`<li><span class="faint">started</span> ${clock(parse(task.started_at))}</li>`}
      ${ran !== null && html`<li><span class="faint">${task.completed_at ? "ran" : "runs for"}</span> ${span(ran)}</li>`}
      ${task.completed_at && html`<li><span class="faint">ended</span> ${clock(parse(task.completed_at))}</li>`}
      ${task.retry_count > 0 && html`<li><span class="faint">retries</span> ${task.retry_count}</li>`}
    </ol>
    ${progress !== null && html`<p class="progress"><progress aria-label="Progress" value=${progress} max="1"></progress> ${Math.round(progress * 100)} %</p>`}
  </section>`;
}
