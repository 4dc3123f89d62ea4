// Limits and how fast they are used: the bar is what is used, the tick how much of the day has passed.
import { html } from "../html.js";
import { limits, usage } from "../store.js";
import { clock, now, parse, serverNow, span } from "../time.js";
import { about, money } from "../words.js";

const DAY_S = 86_400, NEAR = 0.8, WORTH = 0.5, GROUPS = 8;

export function Limits() {
  const rows = limits.value.length ? limits.value : ofWorkers(usage.value);
  const groups = now.value ? grouped(rows.filter((row) => row.window_seconds >= DAY_S || share(row) >= WORTH)) : [];
  return html`<section class="part" aria-labelledby="limits-title">
    <div class="head"><h2 id="limits-title">Quotas</h2>${!rows.length && html`<span class="soft">none is set</span>`}</div>
    ${groups.map(({ title, scope, rows: own }) => html`<div class="limits" key=${`${scope} ${title}`}>
      <h3>${title}${" "}<span class="faint">${scope === title ? "" : scope}</span></h3>
      <ul>${own.map((row) => html`<${Limit} key=${`${row.measure} ${row.window_seconds}`} row=${row} />`)}</ul>
    </div>`)}
  </section>`;
}

/** By what they are for, the fullest first. */
function grouped(rows) {
  const found = new Map();
  for (const row of rows) {
    const key = `${row.scope} ${row.name}`;
    if (!found.has(key)) found.set(key, { title: row.name ?? row.scope, scope: row.scope, rows: [] });
    found.get(key).rows.push(row);
  }
  const fullest = (group) => Math.max(...group.rows.map(share));
  return [...found.values()].sort((a, b) => fullest(b) - fullest(a)).slice(0, GROUPS);
}

const share = (row) => (row.limit > 0 ? row.used / row.limit : 1);

function ofWorkers(found) {
  return Object.entries(found?.workers ?? {}).flatMap(([id, one]) =>
    [["requests", "requests_per_day", "requests_today"], ["tokens", "tokens_per_day", "tokens_today"], ["cost", "cost_limit_per_day", "cost_today"]]
      .filter(([, limit]) => one.quota[limit] !== null)
      .map(([measure, limit, used]) => ({
        scope: "worker", name: id, measure, window_seconds: DAY_S, limit: one.quota[limit], used: one[used], remaining: one.quota_remaining[measure],
      })));
}

const written = (measure, value) => (measure === "cost" ? money(value) : about(value));

export function windowWord(seconds) {
  if (seconds === DAY_S) return "a day";
  if (seconds === 3600) return "an hour";
  return seconds === 60 ? "a minute" : seconds ? `in ${span(seconds * 1000)}` : "";
}

/** The share of a window that has passed, and when the rest will be used up at the pace so far. */
export function pace(row, at) {
  const ends = parse(row.resets_at), length = (row.window_seconds ?? DAY_S) * 1000;
  if (!ends || row.window_seconds !== DAY_S) return { passed: null, out: null };
  const begun = ends - length, passed = Math.min(1, Math.max(0, (at - begun) / length));
  if (row.remaining <= 0 || row.used <= 0 || passed < 0.02) return { passed, out: null };
  const out = begun + (at - begun) * (row.limit / row.used);
  return { passed, out: out < ends ? out : null };
}

function Limit({ row }) {
  const part = Math.min(1, share(row)), { passed, out } = pace(row, serverNow());
  const tone = part >= 1 ? "fail" : part >= NEAR || out ? "hold" : "run";
  const window = row.window_seconds === DAY_S ? "" : ` ${windowWord(row.window_seconds)}`;
  const note = part >= 1 ? `used up${row.resets_at ? `, anew at ${clock(parse(row.resets_at), false)}` : ""}` : out ? `at this pace used up at ${clock(out, false)}` : "";
  return html`<li>
    <span class="soft">${row.measure === "cost" ? "money" : row.measure}${window}</span>
    <svg class="meter" width="100%" height="10" aria-hidden="true">
      <rect class="ground" width="100%" y="2" height="6" /><rect class=${`f-${tone}`} width=${`${part * 100}%`} y="2" height="6" />
      ${passed !== null && html`<line class="pace" x1=${`${passed * 100}%`} x2=${`${passed * 100}%`} y1="0" y2="10" />`}
    </svg>
    <span class="num">${written(row.measure, row.used)}<span class="faint"> of ${written(row.measure, row.limit)}</span></span>
    ${note && html`<span class=${`note t-${tone}`}>${note}</span>`}
  </li>`;
}
