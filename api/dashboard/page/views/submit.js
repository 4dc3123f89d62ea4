// A form for one task. What does not fit is said at its field.
import { useEffect, useRef, useState } from "preact/hooks";
import { say } from "../actions.js";
import { get, post } from "../api.js";
import { html } from "../html.js";
import { focusOn } from "../keys.js";
import { openTask } from "../route.js";
import { payloadOf, TAKES, toolCall, written } from "../templates.js";
import { PRIORITIES, TYPES } from "../words.js";

const FIRST = "llm_request";
const FIELDS = ["type", "payload", "priority", "tags", "max_retries", "timeout_seconds"];

const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

export function Submit() {
  const [form, setForm] = useState({ type: FIRST, payload: written(FIRST), priority: "normal", tags: "", max_retries: "3", timeout_seconds: "" });
  const [fault, setFault] = useState(null);
  const [isSending, setSending] = useState(false);
  const tools = useTools(form.type === "tool_call");
  const key = useRef(newKey());
  const change = (name) => (event) => { setForm({ ...form, [name]: event.target.value }); if (fault?.field === name) setFault(null); };
  const pick = (event) => { setForm({ ...form, type: event.target.value, payload: written(event.target.value) }); setFault(null); };
  const pickTool = (event) => {
    const tool = tools.find((one) => one.name === event.target.value);
    if (tool) setForm({ ...form, payload: toolCall(tool) });
  };

  async function send(event) {
    event.preventDefault();
    const { value, fault: wrong } = payloadOf(form.payload);
    if (wrong) return refuse({ field: "payload", text: wrong });
    setSending(true);
    try {
      const answer = await post("/tasks/submit", bodyOf(form, value), { headers: { "Idempotency-Key": key.current } });
      key.current = newKey();
      setFault(null);
      say(`Submitted ${answer.task_id}.`);
      openTask(answer.task_id);
    } catch (problem) {
      refuse(placed(problem));
    } finally {
      setSending(false);
    }
    return null;
  }

  function refuse(found) {
    key.current = newKey();
    setFault(found);
    focusOn(found.field ? `#${found.field}` : ".submit .wrong");
  }

  const at = (name) => ({ id: name, value: form[name], onInput: change(name), "aria-invalid": fault?.field === name ? "true" : null, "aria-describedby": fault?.field === name ? `${name}-wrong` : null });
  const Wrong = ({ of }) => (fault && (fault.field ?? null) === of ? html`<p class="wrong" id=${`${of}-wrong`} role="alert" tabindex="-1">${fault.text}</p>` : null);

  return html`<div class="submit-view"><form class="submit" onSubmit=${send} novalidate onKeyDown=${(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event); }}>
    <div class="head"><h1>Submit a task</h1></div>
    <div class="columns">
      <${Field} id="type" label="Type">
        <select ...${at("type")} onInput=${pick}>${TYPES.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select>
      </${Field}>
      ${form.type === "tool_call" && tools.length > 0 && html`<${Field} id="tool" label="Tool">
        <select id="tool" onChange=${pickTool}><option value="">as in the payload</option>${tools.map((tool) => html`<option key=${tool.name} value=${tool.name} title=${tool.description}>${tool.name}</option>`)}</select>
      </${Field}>`}
    </div>
    <${Wrong} of="type" />
    <${Field} id="payload" label="Payload, as JSON">
      <textarea ...${at("payload")} rows="12" spellcheck=${false} autocapitalize="off" autocomplete="off"></textarea>
    </${Field}>
    <${Wrong} of="payload" />
    <fieldset id="priority" class="choice"><legend>Priority</legend>
      ${PRIORITIES.map((name) => html`<label key=${name}><input type="radio" name="priority" value=${name} checked=${form.priority === name} onChange=${change("priority")} /><span>${name}</span></label>`)}
    </fieldset>
    <${Wrong} of="priority" />
    <div class="columns">
      <div><${Field} id="tags" label="Tags"><input ...${at("tags")} placeholder="nightly, report" autocomplete="off" /></${Field}><${Wrong} of="tags" /></div>
      <div><${Field} id="max_retries" label="Retries at most"><input ...${at("max_retries")} inputmode="numeric" autocomplete="off" /></${Field}><${Wrong} of="max_retries" /></div>
      <div><${Field} id="timeout_seconds" label="Seconds an attempt may take"><input ...${at("timeout_seconds")} inputmode="decimal" placeholder="as set" autocomplete="off" /></${Field}><${Wrong} of="timeout_seconds" /></div>
    </div>
    <${Wrong} of=${null} />
    <div class="foot"><button class="button main" type="submit" disabled=${isSending}>Submit task</button><span class="faint"><kbd>Ctrl</kbd> <kbd>Enter</kbd></span></div>
  </form>
  <aside class="takes" aria-labelledby="takes-title">
    <h2 id="takes-title">What ${form.type} takes</h2>
    <dl>${TAKES[form.type].map(([name, what]) => html`<dt key=${name}><code>${name}</code></dt><dd>${what}</dd>`)}</dl>
    <${Tools} tools=${form.type === "tool_call" ? tools : []} />
  </aside></div>`;
}

const Field = ({ id, label, children }) => html`<div class="field"><label for=${id}>${label}</label>${children}</div>`;

function Tools({ tools }) {
  if (!tools.length) return null;
  return html`<h2>Tools</h2><dl>${tools.map((tool) => html`<dt key=${tool.name}><code>${tool.name}</code></dt><dd>${(tool.description ?? "").split("\n", 1)[0]}</dd>`)}</dl>`;
}

function bodyOf(form, payload) {
  const tags = form.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  return {
    type: form.type, payload, priority: form.priority, max_retries: numeric(form.max_retries),
    ...(tags.length ? { tags } : {}), ...(form.timeout_seconds.trim() ? { timeout_seconds: numeric(form.timeout_seconds) } : {}),
  };
}

/** A number where it is one; else the text, for the server to say what is wrong with it. */
const numeric = (text) => (text.trim() && !Number.isNaN(Number(text)) ? Number(text) : text);

/** Where a problem belongs: payload.prompt is the payload's. */
export function placed(problem) {
  const place = (problem.field ?? "").split(".");
  const field = FIELDS.find((name) => name === place[0] || name === place[1]) ?? null;
  const inner = field && place[place.length - 1] !== field ? `${place[place.length - 1]}: ` : "";
  return { field, text: `${inner}${problem.message}${problem.remedy ? ` ${problem.remedy}` : ""}` };
}

function useTools(isWanted) {
  const [tools, setTools] = useState([]);
  useEffect(() => {
    if (isWanted && !tools.length) get("/tools").then((answer) => setTools(answer.tools), () => {});
  }, [isWanted]);
  return tools;
}
