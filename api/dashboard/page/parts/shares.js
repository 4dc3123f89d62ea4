// How many of some tasks stand how, as one bar.
import { html } from "../html.js";
import { count, STATUSES } from "../words.js";

const ORDER = ["completed", "failed", "cancelled", "running", "rate_limited", "waiting_resources", "queued", "pending"];

export function Shares({ counts }) {
  const total = Object.values(counts ?? {}).reduce((sum, number) => sum + number, 0);
  const parts = ORDER.filter((status) => counts?.[status]);
  return html`<span class="share" role="img" aria-label=${parts.map((status) => `${count(counts[status])} ${STATUSES[status].word}`).join(", ") || "no tasks"}>
    ${parts.map((status) => html`<i key=${status} class=${`b-${STATUSES[status].tone}`} style=${{ width: `${(counts[status] / total) * 100}%` }}></i>`)}
  </span>`;
}
