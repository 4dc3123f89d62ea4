// What came of a task: its result, or its error with what helps.
import { html } from "../html.js";
import { about, money } from "../words.js";
import { Value } from "./value.js";

const TOLD = ["routing"];

export function Outcome({ task }) {
  const { result } = task;
  const metrics = Object.fromEntries(Object.entries(result.metrics ?? {}).filter(([name]) => !TOLD.includes(name)));
  const [error, remedy] = parted(result.error, result.remedy ?? task.error?.remedy);
  return html`<section>
    ${result.success
      ? html`<h3>Result</h3><${Value} value=${result.data} name="result" />`
      : html`<h3>Error</h3><div class="error"><p>${error}</p>${remedy && html`<p class="soft">${remedy}</p>`}</div>
          ${result.data !== null && result.data !== undefined && html`<${Value} value=${result.data} name="result" />`}`}
    ${Object.keys(metrics).length > 0 && html`<${Metrics} metrics=${metrics} />`}
  </section>`;
}

/** Errors carry their remedy in their text where it is not a field of its own. */
function parted(error, remedy) {
  if (remedy) return [error?.replace(remedy, "").trim() || error, remedy];
  return [error ?? "No reason was given.", null];
}

function Metrics({ metrics }) {
  const { model, tokens_used: tokens, cost_usd: cost, api_type: api, ...others } = metrics;
  const line = [model, api, tokens !== undefined && `${about(tokens)} tokens`, cost !== undefined && cost !== null && money(cost)].filter(Boolean).join(" · ");
  return html`${line && html`<p class="soft">${line}</p>`}
    ${Object.keys(others).length > 0 && html`<details><summary>Measures</summary><${Value} value=${others} name="measures" /></details>`}`;
}
