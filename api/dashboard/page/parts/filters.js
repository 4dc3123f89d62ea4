// What narrows the list of tasks. It stands in the address, so that a view can be kept or sent.
import { html } from "../html.js";
import { bind } from "../keys.js";
import { useLayoutEffect, useState } from "preact/hooks";
import { amend, go } from "../route.js";
import { openIfId } from "../find.js";
import { workers } from "../store.js";
import { PRIORITIES, STATUSES, TYPES } from "../words.js";

const set = (name) => (event) => amend({ [name]: event.target.value }, { replace: true });
const given = (value) => (value ? "given" : "");

function Choice({ name, label, value, options }) {
  return html`<select aria-label=${label} class=${given(value)} value=${value ?? ""} onChange=${set(name)}>
    <option value="">${label}</option>
    ${options.map(([key, word]) => html`<option key=${key} value=${key}>${word}</option>`)}
  </select>`;
}

/** Keeps what is typed, whatever is told meanwhile, until it is done. */
function Field({ name, label, value = "" }) {
  const [typed, setTyped] = useState(null);
  const done = (event) => { set(name)(event); setTyped(null); };
  return html`<input class=${`narrow-field ${given(value)}`} placeholder=${label.toLowerCase()} aria-label=${label} value=${typed ?? value} onInput=${(event) => setTyped(event.target.value)} onChange=${done} onBlur=${() => setTyped(null)} />`;
}

export function Filters({ query, tasks }) {
  useLayoutEffect(() => bind({ Escape: (event) => {
    if (event.target.id !== "search") return false;
    event.target.blur();
    return true;
  } }), []);
  const [isUnfolded, setUnfolded] = useState(false);
  const types = [...new Set([...TYPES, ...tasks.map((task) => task.type)])];
  const used = Object.keys(query).filter((name) => name !== "task");
  const known = (workers.value ?? []).map((worker) => [worker.id, worker.id]);
  if (query.worker_id && !known.some(([id]) => id === query.worker_id)) known.push([query.worker_id, query.worker_id]);
  return html`<form class=${`filters ${isUnfolded ? "unfolded" : ""}`} role="search" aria-label="Filter tasks" onSubmit=${(event) => { event.preventDefault(); openIfId(query.q); }}>
    <input id="search" type="search" placeholder="Text in these rows, or an id + Enter" aria-label="Text, or an id" value=${query.q ?? ""} onInput=${set("q")} class=${given(query.q)} />
    <button class="button fold" type="button" aria-expanded=${isUnfolded} onClick=${() => setUnfolded(!isUnfolded)}>Filters${used.length > 0 ? ` (${used.length})` : ""}</button>
    <div class="folded">
    <${Choice} name="status" label="any status" value=${query.status} options=${Object.entries(STATUSES).map(([key, one]) => [key, one.word])} />
    <${Choice} name="type" label="any type" value=${query.type} options=${types.map((name) => [name, name])} />
    <${Choice} name="priority" label="any priority" value=${query.priority} options=${PRIORITIES.map((name, level) => [String(level), name])} />
    <${Choice} name="worker_id" label="any worker" value=${query.worker_id} options=${known} />
    <${Field} name="tag" label="Tag" value=${query.tag} />
    <${Field} name="caller" label="Caller" value=${query.caller} />
    <${Field} name="batch_id" label="Batch" value=${query.batch_id} />
    </div>
    ${used.length > 0 && html`<button class="link" type="button" onClick=${() => go(["tasks"], { task: query.task })}>Clear</button>`}
  </form>`;
}
