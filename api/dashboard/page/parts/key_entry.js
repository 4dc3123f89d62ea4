// Asks for an API key where the server wants one; it stays in this tab until that is closed.
import { useState } from "preact/hooks";
import { keepKey, storedKey } from "../api.js";
import { html } from "../html.js";
import { reconnect } from "../live.js";
import { Dialog } from "./dialog.js";

export function KeyEntry({ problem }) {
  const [key, setKey] = useState("");
  function enter(event) {
    event.preventDefault();
    if (!key.trim()) return;
    keepKey(key.trim());
    reconnect();
  }
  return html`<${Dialog} title="This server asks for a key">
    <form onSubmit=${enter}>
      <p id="key-why" class=${storedKey() ? "t-fail" : "soft"}>${problem.detail} ${storedKey() ? "" : problem.remedy}</p>
      <label class="field">API key
        <input id="key" type="password" autocomplete="off" autofocus aria-describedby="key-why" value=${key} onInput=${(event) => setKey(event.target.value)} />
      </label>
      <p class="faint">It is kept in this tab only. A key comes from <code>vera keys create</code>.</p>
      <div class="foot"><button class="button main" type="submit">Use this key</button></div>
    </form>
  </${Dialog}>`;
}
