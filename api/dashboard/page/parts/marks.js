// Small drawings: a status is told by its form, not by colour alone.
import { html } from "../html.js";
import { STATUSES, WORKER_TONES } from "../words.js";

const FORMS = {
  run: () => html`<circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" stroke-opacity=".3" stroke-width="2" /><path class="turning" d="M6 1.5a4.5 4.5 0 0 1 4.5 4.5" fill="none" stroke="currentColor" stroke-width="2" />`,
  wait: () => html`<circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.5" />`,
  hold: () => html`<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.5" /><path d="M6 3.4V6l1.8 1.4" fill="none" stroke="currentColor" stroke-width="1.5" />`,
  done: () => html`<path d="M2 6.4l2.7 2.8L10 3.2" fill="none" stroke="currentColor" stroke-width="1.8" />`,
  fail: () => html`<path d="M2.4 2.4l7.2 7.2M9.6 2.4L2.4 9.6" fill="none" stroke="currentColor" stroke-width="2.2" />`,
  off: () => html`<circle cx="6" cy="6" r="4.4" fill="none" stroke="currentColor" stroke-width="1.5" /><path d="M3 9l6-6" stroke="currentColor" stroke-width="1.5" />`,
};

export const Glyph = ({ tone, title }) =>
  html`<svg class=${`glyph t-${tone}`} width="12" height="12" viewBox="0 0 12 12" role=${title ? "img" : null} aria-label=${title} aria-hidden=${title ? null : "true"}>${(FORMS[tone] ?? FORMS.wait)()}</svg>`;

export const toneOf = (status) => STATUSES[status]?.tone ?? "wait";
export const wordOf = (status) => STATUSES[status]?.word ?? status;

export const State = ({ status }) =>
  html`<span class=${`state t-${toneOf(status)}`}><${Glyph} tone=${toneOf(status)} />${wordOf(status)}</span>`;

export function WorkerState({ worker: { status, current_tasks: running } }) {
  const isUsed = status === "idle" && running > 0; // idle means that it takes tasks
  const tone = isUsed ? "run" : WORKER_TONES[status] ?? "wait";
  return html`<span class=${`state t-${tone}`}><${Glyph} tone=${tone} />${isUsed ? "in use" : status}</span>`;
}

const ICONS = {
  overview: "M2 13.5h12M3.5 11V7M8 11V2.5M12.5 11V5.5",
  tasks: "M2 4h2M7 4h7M2 8h2M7 8h7M2 12h2M7 12h5",
  batches: "M2.5 8h3M5.5 8c3 0 2-4.5 5-4.5M5.5 8c3 0 2 4.5 5 4.5M10.5 3.5h3M10.5 12.5h3",
  workers: "M2.5 3h11v4h-11zM2.5 9.5h11v4h-11zM5 5h.5M5 11.5h.5",
  submit: "M8 3v10M3 8h10",
  light: "M8 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8L13 13M13 3l-1.2 1.2M4.2 11.8L3 13",
  dark: "M13 9.6A5.6 5.6 0 0 1 6.4 3A5.6 5.6 0 1 0 13 9.6z",
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zM8 2.5v11M8 5h4.4M8 8h5.5M8 11h4.4",
  help: "M5.6 6a2.4 2.4 0 1 1 3.6 2c-.8.5-1.2.9-1.2 1.9M8 12.6v.4",
};
export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${ICONS[name]} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" /></svg>`;

export const Mark = () =>
  html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 3l6 11 6-11" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" /><circle cx="8" cy="4.2" r="1.8" fill="currentColor" /></svg>`;
