// What language models cost: today by provider, and each of the last days.
import { html } from "../html.js";
import { spending, usage } from "../store.js";
import { now, serverNow } from "../time.js";
import { about, count, money } from "../words.js";

const DAYS = 14, DAY_MS = 86_400_000, HEIGHT = 20, WIDTH = 6;

export function Spending() {
  const rows = byProvider(spending.value, usage.value, now.value && serverNow());
  const total = usage.value?.totals;
  return html`<section class="part" aria-labelledby="spend-title">
    <div class="head"><h2 id="spend-title">Spend</h2><span class="soft">${total ? `${money(total.cost_today)} today` : ""}</span></div>
    ${!rows.length && html`<p class="soft">No language model was asked yet.</p>`}
    ${rows.length > 0 && html`<table class="spend">
      <thead><tr><th scope="col">provider</th><th scope="col" class="num">requests</th><th scope="col" class="num">tokens</th><th scope="col" class="num">today</th><th scope="col" class="num">${DAYS} days</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.provider}>
        <th scope="row">${row.provider}</th><td class="num">${count(row.requests)}</td><td class="num">${about(row.tokens)}</td><td class="num">${money(row.cost)}</td>
        <td class="num"><${Days} days=${row.days} /></td>
      </tr>`)}</tbody>
    </table>`}
  </section>`;
}

function Days({ days }) {
  const most = Math.max(...days);
  return html`<svg class="days" width=${DAYS * WIDTH} height=${HEIGHT} role="img" aria-label=${`${money(days.reduce((a, b) => a + b, 0))} in ${DAYS} days`}>
    ${days.map((value, index) => {
      const height = most && value ? Math.max(2, (value / most) * (HEIGHT - 2)) : 1;
      return html`<rect x=${index * WIDTH} y=${HEIGHT - height} width=${WIDTH - 1.5} height=${height} class=${index === DAYS - 1 ? "today" : ""} />`;
    })}
  </svg>`;
}

/** The date in a time zone, as the API writes days. */
export const dateIn = (timeZone, at) => new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" }).format(at);

export function byProvider({ rows, time_zone: zone = "UTC" }, used, at) {
  const found = new Map();
  const of = (provider) => {
    if (!found.has(provider)) found.set(provider, { provider, requests: 0, tokens: 0, cost: 0, days: new Array(DAYS).fill(0) });
    return found.get(provider);
  };
  const today = dateIn(zone, at);
  const last = Date.parse(today);
  for (const row of rows) {
    const index = DAYS - 1 - Math.round((last - Date.parse(row.day)) / DAY_MS);
    if (index < 0 || index >= DAYS) continue;
    of(row.provider).days[index] += row.cost_usd ?? 0;
    if (index < DAYS - 1) continue;
    const one = of(row.provider);
    one.requests += row.requests; one.tokens += row.tokens; one.cost += row.cost_usd ?? 0;
  }
  if (!rows.length) {
    for (const one of Object.values(used?.workers ?? {})) {
      if (!one.requests_today) continue;
      const row = of(one.api_type);
      row.requests += one.requests_today; row.tokens += one.tokens_today; row.cost += one.cost_today; row.days[DAYS - 1] += one.cost_today;
    }
  }
  return [...found.values()].sort((a, b) => b.cost - a.cost || b.tokens - a.tokens);
}
