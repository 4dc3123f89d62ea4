// A value as text, the start of it where it is long.
import { useState } from "preact/hooks";
import { say } from "../actions.js";
import { html } from "../html.js";
import { about, json } from "../words.js";

const SHOWN = 3000, MORE = 200_000;

export function Value({ value, name }) {
  const [isOpen, setOpen] = useState(false);
  const text = json(value) ?? "nothing";
  const cut = isOpen ? MORE : SHOWN;
  return html`<div class="value">
    <pre tabindex="0" role="region" aria-label=${name}>${text.slice(0, cut)}${text.length > cut ? "…" : ""}</pre>
    <div class="foot">
      ${text.length > SHOWN && html`<button class="link" type="button" onClick=${() => setOpen(!isOpen)}>${isOpen ? "Less" : `All ${about(text.length)} characters`}</button>`}
      <${Copy} text=${text} what=${name} />
    </div>
  </div>`;
}

export function Copy({ text, what }) {
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      say(`The ${what} is copied.`);
    } catch {
      say("The browser does not let this page copy.", { tone: "fail", remedy: "Mark the text and copy it by hand." });
    }
  }
  return html`<button class="link" type="button" onClick=${copy}>Copy<span class="hush"> ${what}</span></button>`;
}
