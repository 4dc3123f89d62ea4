// Tasks now and before: filters, one line each, with the keyboard or by hand.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { bind } from "../keys.js";
import { Filters } from "../parts/filters.js";
import { TaskTable } from "../parts/task_table.js";
import { amend, openTask, route } from "../route.js";
import { useTaskList } from "../task_list.js";
import { plural } from "../words.js";

export function Tasks({ query }) {
  const [held, setHeld] = useState(false);
  const [marked, setMarked] = useState(null);
  const list = useTaskList(query, held);
  const latest = useRef(null);
  latest.current = { list, marked, setMarked };

  useLayoutEffect(() => bind({
    j: () => step(latest.current, 1),
    k: () => step(latest.current, -1),
    ArrowDown: () => step(latest.current, 1),
    ArrowUp: () => step(latest.current, -1),
    Enter: () => (latest.current.marked ? openTask(latest.current.marked) : false),
    p: () => setHeld((before) => !before),
  }), []);

  return html`<div class=${query.task ? "beside" : ""}>
    <div class="head">
      <h1>Tasks</h1>
      <span class="soft" role="status">${list.isReading && !list.tasks.length ? "reading" : plural(list.tasks.length, "row")}${held ? `, held still; ${list.coming} more since` : ""}</span>
      <button class="link" type="button" aria-pressed=${held} onClick=${() => setHeld(!held)}>${held ? "Let it go on" : "Hold still"}</button>
    </div>
    <${Filters} query=${query} tasks=${list.tasks} />
    ${list.problem && html`<p class="band hold" role="alert">${list.problem.detail} ${list.problem.remedy}</p>`}
    ${!list.problem && !list.tasks.length && !list.isReading && html`<p class="nothing">No task fits. ${Object.keys(query).length ? html`<a href="#/tasks">Show all</a>` : html`<a href="#/submit">Submit one</a>`}</p>`}
    ${list.tasks.length > 0 && html`<${TaskTable} tasks=${list.tasks} marked=${marked} opened=${route.value.query.task} />`}
    <div class="pages">
      ${list.newer && html`<button class="button" type="button" onClick=${list.newer}>Newer</button>`}
      ${list.older && html`<button class="button" type="button" onClick=${list.older}>Older</button>`}
      ${list.page > 1 && html`<span class="soft">page ${list.page}, as it was read</span>`}
    </div>
  </div>`;
}

function step({ list, marked, setMarked }, by) {
  const ids = list.tasks.map((task) => task.id);
  if (!ids.length) return false;
  const place = ids.indexOf(marked);
  const next = ids[Math.min(ids.length - 1, Math.max(0, place < 0 ? 0 : place + by))];
  setMarked(next);
  if (route.value.query.task) amend({ task: next }, { replace: true });
  requestAnimationFrame(() => document.querySelector(".list tr.marked")?.scrollIntoView({ block: "nearest" }));
  return true;
}
