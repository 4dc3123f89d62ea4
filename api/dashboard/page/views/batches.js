// The batches, the newest first.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, query } from "../api.js";
import { html } from "../html.js";
import { bind } from "../keys.js";
import { on } from "../live.js";
import { Shares } from "../parts/shares.js";
import { State } from "../parts/marks.js";
import { go, href } from "../route.js";
import { gaps } from "../store.js";
import { clock, exact, now, parse, serverNow, span } from "../time.js";
import { count, short } from "../words.js";

const PAGE = 50, AGAIN_MS = 1000;

function useBatches() {
  const [read, setRead] = useState({ batches: null, next: null, problem: null });
  const [cursors, setCursors] = useState([null]);
  const [turn, setTurn] = useState(0);
  const cursor = cursors[cursors.length - 1];
  useEffect(() => {
    const stop = new AbortController();
    get(`/batches${query({ limit: PAGE, cursor })}`, { signal: stop.signal }).then(
      (answer) => setRead({ batches: answer.batches, next: answer.next_cursor ?? null, problem: null }),
      (problem) => { if (problem.name !== "AbortError") setRead({ batches: [], next: null, problem }); },
    );
    return () => stop.abort();
  }, [cursor, turn, gaps.value]);
  useEffect(() => {
    let timer = null;
    const again = () => { timer = null; setTurn((before) => before + 1); };
    const off = on("task", ({ tasks }) => { if (tasks.some((task) => task.batch_id)) timer ??= setTimeout(again, AGAIN_MS); });
    return () => { clearTimeout(timer); off(); };
  }, []);
  return {
    ...read,
    older: read.next && (() => setCursors([...cursors, read.next])),
    newer: cursors.length > 1 && (() => setCursors(cursors.slice(0, -1))),
  };
}

export function Batches({ query: { task } }) {
  const list = useBatches();
  const [marked, setMarked] = useState(-1);
  const latest = useRef(null);
  latest.current = { batches: list.batches ?? [], marked };
  const step = (by) => setMarked((before) => Math.min(latest.current.batches.length - 1, Math.max(0, before + by)));
  useLayoutEffect(() => bind({
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    Enter: () => { const one = latest.current.batches[latest.current.marked]; return one ? go(["batches", one.batch_id]) : false; },
  }), []);
  const at = now.value && serverNow();
  return html`
    <div class="head"><h1>Batches</h1></div>
    ${list.problem && html`<p class="band hold" role="alert">${list.problem.detail} ${list.problem.remedy}</p>`}
    ${list.batches?.length === 0 && !list.problem && html`<p class="nothing">There are none. <code>vera run FILE</code> or <code>POST /batches</code> submits one.</p>`}
    ${list.batches?.length > 0 && html`<table class="list open">
      <thead><tr><th scope="col" class="c-state">status</th><th scope="col">batch</th><th scope="col" class="c-share">tasks</th><th scope="col" class="c-time num">number</th><th scope="col" class="c-time num">failed</th><th scope="col" class="c-time num">took</th><th scope="col" class="c-at num">submitted</th></tr></thead>
      <tbody>${list.batches.map((batch, index) => html`<tr key=${batch.batch_id} class=${index === marked ? "marked" : ""} onClick=${(event) => { if (!event.target.closest("a")) go(["batches", batch.batch_id], { task }); }}>
        <td class="c-state"><${State} status=${batch.status} /></td>
        <td class="clip grow"><a class="kind" href=${href(["batches", batch.batch_id])} title=${batch.batch_id}>${batch.name ?? short(batch.batch_id)}</a>${batch.name && html` <span class="mono faint">${short(batch.batch_id)}</span>`}</td>
        <td class="c-share grow"><${Shares} counts=${batch.counts} /></td>
        <td class="c-time num drop">${count(totalOf(batch.counts))}</td>
        <td class=${`c-time num drop ${batch.counts?.failed ? "t-fail" : "faint"}`}>${count(batch.counts?.failed ?? 0)}</td>
        <td class="c-time num drop">${span((parse(batch.completed_at) ?? at) - parse(batch.submitted_at))}</td>
        <td class="c-at num side faint" title=${exact(batch.submitted_at)}>${clock(parse(batch.submitted_at))}</td>
      </tr>`)}</tbody>
    </table>`}
    <div class="pages">
      ${list.newer && html`<button class="button" type="button" onClick=${list.newer}>Newer</button>`}
      ${list.older && html`<button class="button" type="button" onClick=${list.older}>Older</button>`}
    </div>`;
}

export const totalOf = (counts) => Object.entries(counts ?? {}).filter(([name]) => name !== "total").reduce((sum, [, number]) => sum + number, 0);
