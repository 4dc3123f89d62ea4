// One batch: its graph, which colours as it runs, and its tasks.
import { useEffect, useState } from "preact/hooks";
import { cancelBatch, retryBatch } from "../actions.js";
import { enc, get } from "../api.js";
import { html } from "../html.js";
import { Graph, tally } from "../parts/graph.js";
import { State } from "../parts/marks.js";
import { Shares } from "../parts/shares.js";
import { TaskTable } from "../parts/task_table.js";
import { href } from "../route.js";
import { gaps, known, learn, version } from "../store.js";
import { clock, now, parse, serverNow, span } from "../time.js";
import { isFinal, plural, STATUSES } from "../words.js";

const ROWS = 200, KNOWN = 1000;
const WEIGHT = { failed: 0, running: 1, rate_limited: 2, waiting_resources: 2, queued: 3, pending: 3, cancelled: 4, completed: 5 };

function useBatch(id) {
  const [read, setRead] = useState({ batch: null, problem: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    get(`/batches/${enc(id)}?brief=true`, { signal: stop.signal }).then(
      (batch) => { setRead({ batch, problem: null }); learn(batch.tasks.slice(0, KNOWN)); },
      (problem) => { if (problem.name !== "AbortError") setRead((before) => ({ ...before, problem })); },
    );
    return () => stop.abort();
  }, [id, turn, gaps.value]);
  const tasks = (read.batch?.tasks ?? []).map((task) => newest(task, version.value >= 0 && known.get(task.id)));
  const isOver = tasks.length > 0 && tasks.every((task) => isFinal(task.status));
  useEffect(() => { if (isOver && read.batch && !isFinal(read.batch.status)) setTurn(turn + 1); }, [isOver]);
  return { ...read, tasks, again: () => setTurn((before) => before + 1) };
}

const newest = (task, brief) => (brief && (!isFinal(task.status) || isFinal(brief.status)) ? { ...task, ...brief } : task);

export function Batch({ path, query }) {
  const id = path[1];
  const { batch, tasks, problem, again } = useBatch(id);
  if (!batch) return html`<div class="head"><a href="#/batches">Batches</a><h1>${id}</h1></div><p class="nothing">${problem ? `${problem.detail} ${problem.remedy ?? ""}` : "reading"}</p>`;
  const counts = tally(tasks);
  const open = tasks.length - ["completed", "failed", "cancelled"].reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  const undone = (counts.failed ?? 0) + (counts.cancelled ?? 0);
  const status = open ? (batch.status === "pending" ? "pending" : "running") : batch.status === "running" ? "completed" : batch.status;
  const prefect = batch.prefect_url && /^https?:/.test(batch.prefect_url) ? batch.prefect_url : null;
  const took = (parse(batch.completed_at) ?? (now.value && serverNow())) - parse(batch.submitted_at);
  const first = [...tasks].sort((a, b) => (WEIGHT[a.status] ?? 9) - (WEIGHT[b.status] ?? 9));
  return html`<div class=${query.task ? "beside" : ""}>
    <div class="head">
      <a href="#/batches">Batches</a><h1 class="breaks">${batch.name ?? id}</h1><${State} status=${status} />
      <span class="acts">
        ${open > 0 && html`<button class="button" type="button" onClick=${async () => { await cancelBatch(id); again(); }}>Cancel</button>`}
        ${!open && undone > 0 && html`<button class="button" type="button" onClick=${async () => { await retryBatch(id); again(); }}>Retry ${plural(undone, "task")}</button>`}
      </span>
    </div>
    <dl class="batch-facts">
      <div><dt>submitted</dt><dd>${clock(parse(batch.submitted_at))}</dd></div>
      <div><dt>${open ? "runs for" : "took"}</dt><dd>${span(took)}</dd></div>
      ${Object.entries(counts).map(([name, number]) => html`<div key=${name}><dt>${STATUSES[name]?.word ?? name}</dt><dd>${number}</dd></div>`)}
      <div><dt>order</dt><dd>${batch.execute_parallel ? "in parallel" : "one after the other"}${batch.fail_fast ? ", ends at the first failure" : ""}</dd></div>
      ${prefect && html`<div><dt>Prefect</dt><dd><a href=${prefect} target="_blank" rel="noreferrer">its run</a></dd></div>`}
    </dl>
    <${Shares} counts=${counts} />
    <${Graph} tasks=${tasks} edges=${batch.edges ?? []} opened=${query.task} />
    <section aria-labelledby="batch-tasks">
      <div class="head"><h2 id="batch-tasks">Tasks</h2>${tasks.length > ROWS && html`<span class="soft">${ROWS} of ${tasks.length}; <a href=${href(["tasks"], { batch_id: id })}>all</a></span>`}</div>
      <${TaskTable} tasks=${first.slice(0, ROWS)} opened=${query.task} />
    </section>
  </div>`;
}
