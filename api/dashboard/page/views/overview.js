// How the whole stands: what needs somebody, the workers' last minutes, the queues, and what is spent.
import { useEffect } from "preact/hooks";
import { matters } from "../attention.js";
import { html } from "../html.js";
import { status } from "../live.js";
import { Limits } from "../parts/limits.js";
import { Glyph } from "../parts/marks.js";
import { Queues } from "../parts/queues.js";
import { Spending } from "../parts/spending.js";
import { Strip } from "../parts/strip.js";
import { LastTasks } from "../parts/last_tasks.js";
import { taskHref } from "../route.js";
import { known, limits, readLimits, usage, version, workers } from "../store.js";
import { clock, now, parse, serverNow } from "../time.js";

export function Overview() {
  useEffect(readLimits, []);
  return html`<div class="overview">
    <h1 class="hush">Overview</h1>
    <div class="wide">
      <${Attention} />
      <${Strip} />
      <${LastTasks} />
    </div>
    <div class="narrow">
      <${Queues} />
      <${Limits} />
      <${Spending} />
    </div>
  </div>`;
}

function Attention() {
  const seen = version.value + now.value; // what is found depends on both
  const found = seen && matters({
    status: status.value, workers: workers.value, limits: limits.value, usage: usage.value, tasks: known.values(), at: serverNow(),
  });
  return html`<section class="part attention" aria-labelledby="attention-title">
    <div class="head"><h2 id="attention-title">Needs attention</h2>${!found.length && html`<span class="soft">Nothing does.</span>`}</div>
    <ul>${found.map((one) => html`<li key=${one.title + one.detail}>
      <${Glyph} tone=${one.tone} />
      <div>
        <a class="what" href=${one.task ? taskHref(one.task) : one.href}>${one.title}</a>
        ${one.detail && html` <span class="soft">${one.detail}</span>`}
        ${one.remedy && html` <span class="soft">${one.remedy}</span>`}
        ${one.more && html` <a href=${one.more}>all failed</a>`}
      </div>
      <span class="faint num">${one.at ? clock(parse(one.at)) : one.resets ? `until ${clock(parse(one.resets), false)}` : ""}</span>
    </li>`)}</ul>
  </section>`;
}
