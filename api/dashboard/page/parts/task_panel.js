// One task beside the view: what it is, its life, its attempts, why it runs where it does, and what came of it.
import { useLayoutEffect, useRef } from "preact/hooks";
import { cancelTask, retryTask } from "../actions.js";
import { html } from "../html.js";
import { bind } from "../keys.js";
import { amend, href } from "../route.js";
import { gaps } from "../store.js";
import { useTask } from "../task_detail.js";
import { workerOf } from "../task_facts.js";
import { exact } from "../time.js";
import { isFinal, PRIORITIES } from "../words.js";
import { Attempts } from "./attempts.js";
import { Copy, Value } from "./value.js";
import { Life } from "./life.js";
import { LiveText } from "./live_text.js";
import { State } from "./marks.js";
import { Outcome } from "./outcome.js";
import { Routing } from "./routing.js";

const close = () => amend({ task: undefined });

export function TaskPanel({ id }) {
  const { task, problem } = useTask(id);
  const box = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    if (matchMedia("(max-width: 940px)").matches) box.current.focus();
    const unbind = bind({ Escape: () => { close(); before?.focus?.(); } });
    return unbind;
  }, []);
  return html`<aside class="panel" aria-label="Task" tabindex="-1" ref=${box}>
    <div class="bar">
      ${task ? html`<${State} status=${task.status} />` : html`<span class="soft">${problem ? "" : "reading"}</span>`}
      <span class="acts">
        ${task && !isFinal(task.status) && html`<button class="button" type="button" onClick=${() => cancelTask(id)}>Cancel</button>`}
        ${task && ["failed", "cancelled"].includes(task.status) && html`<button class="button" type="button" onClick=${async () => { if (await retryTask(id)) gaps.value += 1; }}>Retry</button>`}
        <button class="button" type="button" onClick=${close} title="Close (Esc)">Close</button>
      </span>
    </div>
    ${problem && !task && html`<p class="nothing">${problem.detail} ${problem.remedy}</p>`}
    ${task && html`<${Body} task=${task} />`}
  </aside>`;
}

function Body({ task }) {
  return html`
    <h2 class="title">${task.type}</h2>
    <p class="ids"><code>${task.id}</code><${Copy} text=${task.id} what="id" /></p>
    ${task.status_reason && !isFinal(task.status) && html`<p class="t-hold reason">${task.status_reason}</p>`}
    <${Life} task=${task} />
    ${!isFinal(task.status) && html`<${LiveText} key=${task.id} id=${task.id} />`}
    ${task.result && isFinal(task.status) && html`<${Outcome} task=${task} />`}
    <${Facts} task=${task} />
    <${Attempts} task=${task} />
    <${Routing} task=${task} />
    <section><h3>Payload</h3><${Value} value=${task.payload} name="payload" /></section>
    ${Object.keys(task.metadata ?? {}).length > 0 && html`<section><h3>Metadata</h3><${Value} value=${task.metadata} name="metadata" /></section>`}`;
}

function Facts({ task }) {
  const worker = workerOf(task);
  const prefect = task.prefect_url && /^https?:/.test(task.prefect_url) ? task.prefect_url : null;
  const rows = [
    ["priority", PRIORITIES[task.priority] ?? task.priority],
    ["worker", worker && html`<a href=${href(["workers"], { worker })}>${worker}</a>`],
    ["batch", task.batch_id && html`<a href=${href(["batches", task.batch_id], { task: task.id })}>${task.batch_id}</a>`],
    ["after", task.depends_on?.length > 0 && task.depends_on.slice(0, 20).map((id) => html`<a class="mono" key=${id} href=${href(["tasks"], { task: id })}>${id}</a> `)],
    ["caller", task.caller && html`<a href=${href(["tasks"], { caller: task.caller })}>${task.caller}</a>`],
    ["tags", task.tags?.length > 0 && task.tags.map((tag) => html`<a class="tag" key=${tag} href=${href(["tasks"], { tag })}>${tag}</a>`)],
    ["submitted", exact(task.submitted_at)],
    ["Prefect", prefect && html`<a href=${prefect} target="_blank" rel="noreferrer">its run</a>`],
  ].filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return html`<dl class="facts">${rows.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}</dl>`;
}
