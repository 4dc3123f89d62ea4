// What is said across the page: a lost connection, a server that takes no work, and what came of an action.
import { said } from "../actions.js";
import { html } from "../html.js";
import { link, reconnect, status } from "../live.js";
import { readFault } from "../store.js";
import { clock, now } from "../time.js";

function Lost() {
  const { since, retryAt } = link.value;
  const seconds = now.value && Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  return html`<div class="band lost" role="alert">
    <span>Disconnected since ${clock(since)}. What is shown is as it was then.</span>
    <span aria-hidden="true">${seconds ? `Next try in ${seconds} s.` : "Trying now."}</span>
    <button class="link" type="button" onClick=${reconnect}>Try now</button>
  </div>`;
}

export function Bands() {
  const state = status.value;
  const lost = link.value.state === "lost";
  return html`
    ${lost && html`<${Lost} />`}
    ${!lost && state && !state.is_running && html`<div class="band lost" role="alert">The orchestrator does not run: nothing is accepted.</div>`}
    ${!lost && state?.is_draining && html`<div class="band hold" role="status">It is being drained: what runs ends, nothing new is taken.</div>`}
    ${!lost && readFault.value && html`<div class="band hold" role="status">${readFault.value.detail} ${readFault.value.remedy}</div>`}`;
}

export function Said() {
  const message = said.value;
  return html`<div role=${message?.tone === "fail" ? "alert" : "status"} aria-live="polite">
    ${message && html`<div class=${`said ${message.tone}`}>
      <div><p>${message.text}</p>${message.remedy && html`<p>${message.remedy}</p>`}</div>
      <button class="plain" type="button" aria-label="Close the message" onClick=${() => { said.value = null; }}>×</button>
    </div>`}
  </div>`;
}
