// A batch as a graph. Small ones have named nodes, larger ones squares, the largest a bar for each layer.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { layersOf, layout, reduced } from "../layout.js";
import { taskHref } from "../route.js";
import { now, parse, serverNow, span } from "../time.js";
import { count, short } from "../words.js";
import { Glyph, toneOf, wordOf } from "./marks.js";
import { Shares } from "./shares.js";

const NAMED = 60, SQUARES = 400, LINES = 1500, SMALLEST = { squares: 0.6, named: 0.8, standing: 0.8 };
const NARROW = "(max-width: 720px)";
const SIZES = {
  named: { size: { along: 152, across: 34 }, gap: { along: 38, across: 12 } },
  standing: { size: { along: 34, across: 150 }, gap: { along: 36, across: 12 } },
  squares: { size: { along: 14, across: 14 }, gap: { along: 64, across: 5 } },
};

export function Graph({ tasks, edges, opened }) {
  if (tasks.length > SQUARES) return html`<${Layers} tasks=${tasks} edges=${edges} />`;
  return html`<${Nodes} tasks=${tasks} edges=${edges} opened=${opened} />`;
}

function Nodes({ tasks, edges, opened }) {
  const stands = matchMedia(NARROW).matches;
  const kind = tasks.length > NAMED ? "squares" : stands ? "standing" : "named";
  const { size, gap } = SIZES[kind];
  const ids = tasks.map((task) => task.id);
  const plan = useMemo(() => {
    const shown = edges.length > LINES * 20 ? [] : reduced(ids, edges);
    return layout(ids, shown.length > LINES ? [] : shown, size, gap);
  }, [ids.join("\n"), edges.length, kind]);
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const turn = (along, across) => (stands ? [across, along] : [along, across]);
  const [width, height] = turn(plan.length, plan.breadth);
  const [wide, high] = turn(size.along, size.across);
  const box = useRef(null);
  const room = useRoom(box);
  const scale = Math.max(SMALLEST[kind], Math.min(1, room / (width + 8), kind === "squares" ? (innerHeight * 0.6) / height : 1));
  useEffect(() => { // the first layer is in the middle
    box.current.scrollTop = (box.current.scrollHeight - box.current.clientHeight) / 2;
    if (stands) box.current.scrollLeft = (box.current.scrollWidth - box.current.clientWidth) / 2;
  }, [plan]);
  useEffect(() => { box.current.querySelector(".is-open")?.scrollIntoView({ block: "nearest", inline: "nearest" }); }, [opened, plan]);
  return html`<div class="canvas" tabindex="0" role="region" aria-label="Graph of the batch" ref=${box}>
    <svg width=${(width + 8) * scale} height=${(height + 8) * scale} viewBox=${`-4 -4 ${width + 8} ${height + 8}`}>
      <g class="lines">${plan.lines.map((line) => html`<path key=${`${line.from} ${line.to}`} class=${`${line.any ? "any" : ""} l-${toneOf(byId.get(line.from).status)}`} d=${way(line.points, turn)} />`)}</g>
      ${tasks.map((task) => {
        const at = plan.nodes.get(task.id);
        const [x, y] = turn(at.along, at.across);
        return html`<${Node} key=${task.id} task=${task} x=${x} y=${y} wide=${wide} high=${kind === "standing" ? 34 : high} isNamed=${kind !== "squares"} isOpened=${task.id === opened} />`;
      })}
    </svg>
  </div>`;
}

/** The width that there is, as it changes. */
function useRoom(box) {
  const [room, setRoom] = useState(Infinity);
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(() => setRoom(box.current.clientWidth));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  return room;
}

function way(points, turn) {
  const [first, ...others] = points;
  let path = `M${turn(...first).join(" ")}`, [along, across] = first;
  for (const [nextAlong, nextAcross] of others) {
    const middle = (along + nextAlong) / 2;
    path += `C${turn(middle, across).join(" ")} ${turn(middle, nextAcross).join(" ")} ${turn(nextAlong, nextAcross).join(" ")}`;
    [along, across] = [nextAlong, nextAcross];
  }
  return path;
}

function Node({ task, x, y, wide, high, isNamed, isOpened }) {
  const tone = toneOf(task.status);
  const label = `${task.id}, ${task.type}, ${wordOf(task.status)}`;
  return html`<a class=${`node n-${tone} ${isOpened ? "is-open" : ""}`} href=${taskHref(task.id)} aria-label=${label} transform=${`translate(${x} ${y})`}>
    <title>${label}</title>
    <rect class="body" width=${wide} height=${high} rx="2" />
    ${isNamed && html`<${Named} task=${task} tone=${tone} wide=${wide} high=${high} />`}
  </a>`;
}

function Named({ task, tone, wide, high }) {
  const room = Math.floor((wide - 34) / 6.4);
  const name = short(task.id);
  const ran = task.started_at ? span((parse(task.completed_at) ?? (now.value && serverNow())) - parse(task.started_at)) : "";
  return html`
    <rect class="edge" width="3" height=${high} />
    <g transform="translate(10 ${(high - 12) / 2})"><${Glyph} tone=${tone} /></g>
    <text x="28" y="14">${name.length > room ? `${name.slice(0, room - 1)}…` : name}</text>
    <text class="sub" x="28" y="28">${task.type}</text>
    <text class="sub" x=${wide - 7} y="28" text-anchor="end">${ran}</text>
    ${task.status === "running" && task.progress > 0 && html`<rect class="part-done" y=${high - 2} width=${wide * Math.min(1, task.progress)} height="2" />`}`;
}

function Layers({ tasks, edges }) {
  const layers = useMemo(() => layersOf(tasks.map((task) => task.id), edges), [tasks.length, edges.length]);
  const rows = [];
  for (const task of tasks) (rows[layers.get(task.id)] ??= []).push(task);
  return html`<ol class="layers">${rows.map((row, index) => html`<li key=${index}>
    <span class="faint">layer ${index + 1}</span><${Shares} counts=${tally(row)} /><span class="num">${count(row.length)}</span>
  </li>`)}</ol>`;
}

export function tally(tasks) {
  const counts = {};
  for (const { status } of tasks) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
