// The workers' last five minutes as traces: how many tasks each ran at a time, and where one failed.
import { html } from "../html.js";
import { SLICE_MS, SLICES, trace } from "../activity.js";
import { runningTasks, version, workers } from "../store.js";
import { clock, now, serverNow } from "../time.js";
import { WorkerState } from "./marks.js";
import { count, isDown, plural } from "../words.js";

const ROWS = 14, HEIGHT = 26, TICK = 8;
const LEAST = 4; // full height means as many tasks at a time at least, where there is room for them

export function Strip() {
  const all = workers.value;
  const tick = version.value + now.value;
  const shown = tick && all ? [...all].sort(byWeight).slice(0, ROWS) : [];
  const running = Map.groupBy ? Map.groupBy(runningTasks(), (task) => task.worker_id) : grouped(runningTasks());
  const left = (all?.length ?? 0) - shown.length;
  return html`<section class="part" aria-labelledby="strip-title">
    <div class="head"><h2 id="strip-title">Workers</h2><span class="soft">tasks at a time, last 5 minutes</span></div>
    ${all && !all.length && html`<p class="nothing">There are none. Register one with <code>vera workers register</code>.</p>`}
    <div class="strip" role="list">
      ${shown.map((worker) => html`<${Row} key=${worker.id} worker=${worker} running=${running.get(worker.id) ?? []} tick=${now.value} />`)}
    </div>
    ${shown.length > 0 && html`<${Axis} />`}
    ${left > 0 && html`<a href="#/workers">${plural(left, "more worker")}</a>`}
  </section>`;
}

const byWeight = (a, b) => isDown(b) - isDown(a) || b.current_tasks - a.current_tasks || b.metrics.tasks_completed - a.metrics.tasks_completed || a.id.localeCompare(b.id);

function grouped(tasks) {
  const found = new Map();
  for (const task of tasks) found.set(task.worker_id, [...(found.get(task.worker_id) ?? []), task]);
  return found;
}

function Row({ worker, running }) {
  const { busy, failed } = trace(worker.id, running);
  const peak = Math.max(...busy);
  const full = Math.max(peak, Math.min(LEAST, worker.max_concurrent_tasks), 1);
  const heights = busy.map((tasks) => (tasks ? Math.max(1.5, (tasks / full) * (HEIGHT - 2)) : 0));
  return html`<div class="row" role="listitem">
    <a class="name clip" href=${`#/workers?worker=${encodeURIComponent(worker.id)}`} title=${worker.id}>${worker.id}</a>
    <${WorkerState} worker=${worker} />
    <span class="num">${count(worker.current_tasks)}<span class="faint"> of ${count(worker.max_concurrent_tasks)}</span></span>
    ${isDown(worker) && worker.status_reason
      ? html`<span class="why clip" title=${worker.status_reason}>${worker.status_reason}</span>`
      : html`<svg class=${`trace ${peak ? "" : "flat"}`} viewBox=${`0 0 ${SLICES} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path class="floor" d=${`M0 ${HEIGHT - 0.5}H${SLICES}`} />
        <path class="load" d=${outline(heights)} />
        <path class="failed" d=${failed.map((number, index) => (number ? `M${index + 0.5} 0V${TICK}` : "")).join("")} />
      </svg>
      <span class="num faint peak">${peak >= 1 ? `peak ${Math.round(peak)}` : ""}</span>`}
  </div>`;
}

function outline(heights) {
  let path = `M0 ${HEIGHT}`;
  heights.forEach((height, index) => { path += `V${(HEIGHT - height).toFixed(1)}H${index + 1}`; });
  return `${path}V${HEIGHT}Z`;
}

function Axis() {
  const end = serverNow(), length = SLICE_MS * SLICES;
  return html`<div class="axis faint" aria-hidden="true"><span>${clock(end - length, false)}</span><span>${clock(end - length / 2, false)}</span><span>now</span></div>`;
}
