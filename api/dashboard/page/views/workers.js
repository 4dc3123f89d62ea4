// The workers: how loaded they are, how they are, why one is down, and what can be done with each.
import { useEffect, useState } from "preact/hooks";
import { drainWorker, removeWorker, resumeWorker } from "../actions.js";
import { html } from "../html.js";
import { Dialog } from "../parts/dialog.js";
import { WorkerState } from "../parts/marks.js";
import { amend, href } from "../route.js";
import { readWorkers, usage, workers } from "../store.js";
import { span } from "../time.js";
import { about, count, isDown, money, plural } from "../words.js";

export function Workers({ query }) {
  const [removing, setRemoving] = useState(null);
  useEffect(() => { readWorkers(); }, []);
  const all = workers.value && [...workers.value].sort((a, b) => isDown(b) - isDown(a) || a.id.localeCompare(b.id));
  const down = all?.filter(isDown).length;
  return html`
    <div class="head"><h1>Workers</h1><span class="soft">${all ? `${plural(all.length, "worker")}${down ? `, ${down} down` : ""}` : "reading"}</span></div>
    ${all?.length === 0 && html`<p class="nothing">There are none. <code>vera workers register</code> adds one; keys in the environment and an Ollama server are found by themselves.</p>`}
    <div class="workers">${all?.map((worker) => html`<${Worker} key=${worker.id} worker=${worker} isOpen=${query.worker === worker.id} onRemove=${() => setRemoving(worker.id)} />`)}</div>
    ${removing && html`<${Removal} id=${removing} onClose=${() => setRemoving(null)} />`}`;
}

function Removal({ id, onClose }) {
  return html`<${Dialog} title=${`Remove ${id}?`} onClose=${onClose}>
    <p>What it runs now ends first or is tried elsewhere. It comes back when it is registered again.</p>
    <div class="foot">
      <button class="button" type="button" autofocus onClick=${onClose}>Keep it</button>
      <button class="button grave" type="button" onClick=${() => { removeWorker(id); onClose(); }}>Remove the worker</button>
    </div>
  </${Dialog}>`;
}

function Worker({ worker, isOpen, onRemove }) {
  const { metrics } = worker;
  const load = Math.min(1, worker.load);
  const toggle = () => amend({ worker: isOpen ? undefined : worker.id }, { replace: true });
  return html`<article class=${`worker ${isOpen ? "opened" : ""}`} aria-label=${worker.id}>
    <div class="first">
      <button class="plain who clip" type="button" aria-expanded=${isOpen} onClick=${toggle} title=${worker.id}><svg class="turn" viewBox="0 0 8 8" aria-hidden="true"><path d="M2.5 1l3 3-3 3" fill="none" stroke="currentColor" stroke-width="1.5" /></svg>${worker.id}</button>
      <${WorkerState} worker=${worker} />
      <span class="loadline"><svg width="60" height="8" aria-hidden="true"><rect class="f-wait" width="100%" height="8" /><rect class=${load >= 1 ? "f-hold" : "f-run"} width=${`${load * 100}%`} height="8" /></svg>
        <span>${count(worker.current_tasks)}<span class="faint"> of ${count(worker.max_concurrent_tasks)}</span></span></span>
      <span class="figures"><span><b>${about(metrics.tasks_completed)}</b> done</span><span class=${metrics.tasks_failed ? "t-fail" : ""}><b class=${metrics.tasks_failed ? "t-fail" : ""}>${about(metrics.tasks_failed)}</b> failed</span><span><b>${span(metrics.avg_execution_time_ms)}</b> mean</span></span>
      <span class="acts">
        ${worker.status === "maintenance"
          ? html`<button class="button" type="button" onClick=${() => resumeWorker(worker.id)}>Resume</button>`
          : html`<button class="button" type="button" onClick=${() => drainWorker(worker.id)} title="It ends what it runs and gets nothing new">Drain</button>`}
        <button class="button" type="button" onClick=${onRemove}>Remove</button>
      </span>
    </div>
    ${worker.status_reason && html`<p class=${isDown(worker) ? "why" : "soft"}>${worker.status_reason}</p>`}
    ${isOpen && html`<${More} worker=${worker} />`}
  </article>`;
}

function More({ worker }) {
  const used = usage.value?.workers?.[worker.id];
  const { metrics, config } = worker;
  const rows = [
    ["can do", worker.capabilities.join(", ")],
    ["tasks", html`<a href=${href(["tasks"], { worker_id: worker.id })}>those it ran</a>`],
    ["limits", [`${count(config.max_concurrent_tasks)} at a time`, config.rate_limit_per_minute && `${count(config.rate_limit_per_minute)} a minute`, `${span(config.timeout_seconds * 1000)} an attempt`].filter(Boolean).join(", ")],
    ["address", worker.ollama_url ?? worker.remote_url ?? worker.base_url],
    ["models", worker.available_models?.slice(0, 30).join(", ")],
    ["default model", worker.default_model],
    ["today", used && `${plural(used.requests_today, "request")}, ${about(used.tokens_today)} tokens, ${money(used.cost_today)}`],
    ["all time", worker.total_tokens_used !== undefined && `${about(worker.total_tokens_used)} tokens, ${money(worker.total_cost_usd)}`],
    ["machine", (metrics.cpu_usage_percent > 0 || metrics.memory_usage_mb > 0) && `${Math.round(metrics.cpu_usage_percent)} % processor, ${count(metrics.memory_usage_mb)} MB`],
    ["up", span(metrics.uptime_seconds * 1000)],
  ].filter(([, value]) => value);
  return html`<dl class="more">${rows.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}</dl>`;
}
