// The line at the top: where one can go, how all goes, and whether the page still hears the server.
import { html } from "../html.js";
import { link, status } from "../live.js";
import { now, span } from "../time.js";
import { chosen, nextTheme } from "../theme_switch.js";
import { usage } from "../store.js";
import { about, money } from "../words.js";
import { helpShown } from "./help.js";
import { Icon, Mark } from "./marks.js";

export const VIEWS = [
  { name: "", title: "Overview", icon: "overview" },
  { name: "tasks", title: "Tasks", icon: "tasks" },
  { name: "batches", title: "Batches", icon: "batches" },
  { name: "workers", title: "Workers", icon: "workers" },
  { name: "submit", title: "Submit", icon: "submit" },
];

const Number_ = ({ name, value, title, kind = "" }) =>
  html`<div class=${kind} title=${title}><dt>${name}</dt><dd>${value}</dd></div>`;

function Pulse() {
  const metrics = status.value?.metrics;
  if (!metrics) return html`<dl class="pulse"><div><dt>reading</dt></div></dl>`;
  const spent = usage.value?.totals?.cost_today;
  return html`<dl class="pulse" aria-label="How it goes">
    <${Number_} name="running" value=${about(metrics.active_tasks)} />
    <${Number_} name="waiting" value=${about(metrics.queued_tasks)} />
    <${Number_} name="done" value=${about(metrics.tasks_completed)} title="since the start" />
    <${Number_} name="failed" value=${about(metrics.tasks_failed)} title="since the start" kind=${metrics.tasks_failed ? "bad" : ""} />
    <${Number_} name="mean" value=${span(metrics.avg_execution_time_ms)} kind="extra" />
    <${Number_} name="today" value=${money(spent)} title="spent on language models" />
    <${Number_} name="up" value=${span(status.value.uptime_seconds * 1000)} kind="extra" />
  </dl>`;
}

function LinkState() {
  const { state, since } = link.value;
  const word = state === "open" ? "live" : state === "lost" ? `lost ${span(Math.max(0, now.value && Date.now() - since))}` : "connecting";
  return html`<span class=${`linkstate ${state}`} role="status">${word}</span>`;
}

export function Top({ current }) {
  const theme = chosen.value;
  return html`<header class="top">
    <a class="mark" href="#/" aria-label="Vera, overview"><${Mark} />Vera</a>
    <nav class="nav" aria-label="Views">
      ${VIEWS.map(({ name, title, icon }) => html`<a key=${name} href=${`#/${name}`} aria-current=${(current || "") === name ? "page" : null}>
        <${Icon} name=${icon} />${title}</a>`)}
    </nav>
    <${Pulse} />
    <div class="tools">
      <${LinkState} />
      <button class="plain" type="button" onClick=${nextTheme} title=${`Colours: ${theme}`} aria-label=${`Colours: ${theme}. Change`}><${Icon} name=${theme} /></button>
      <button class="plain" type="button" onClick=${() => { helpShown.value = true; }} title="Keys (?)" aria-label="Help and keys"><${Icon} name="help" /></button>
    </div>
  </header>`;
}
