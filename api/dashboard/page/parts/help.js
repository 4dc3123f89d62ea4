// The keys, and how to do without them.
import { signal } from "@preact/signals";
import { html } from "../html.js";
import { shortcutsOn, switchShortcuts } from "../keys.js";
import { Dialog } from "./dialog.js";

export const helpShown = signal(false);

const KEYS = [
  [["/"], "filter the tasks"],
  [["j", "k"], "next, previous in a list"],
  [["Enter"], "open what is marked"],
  [["Esc"], "close, or leave a field"],
  [["1", "5"], "overview, tasks, batches, workers, submit"],
  [["n"], "submit a task"],
  [["p"], "hold the list of tasks still, or let it go on"],
  [["?"], "this list"],
];

export const Help = () => html`<${Dialog} title="Keys" onClose=${() => { helpShown.value = false; }}>
  <dl class="shortcuts">
    ${KEYS.map(([keys, what]) => html`<dt>${keys.map((key, index) => html`${index ? (keys[0] === "1" ? " – " : " ") : ""}<kbd>${key}</kbd>`)}</dt><dd>${what}</dd>`)}
  </dl>
  <label class="state"><input type="checkbox" checked=${shortcutsOn.value} onChange=${(event) => switchShortcuts(event.target.checked)} /> Single keys act</label>
  <div class="foot">
    <a href="/docs">API</a>
    <button class="button" type="button" onClick=${() => { helpShown.value = false; }}>Close</button>
  </div>
</${Dialog}>`;
