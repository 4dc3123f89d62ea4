// The page: what is around the views, which view is shown, and the task that is open beside it.
import { render } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { keyWanted } from "./api.js";
import { html } from "./html.js";
import { bind, focusOn, startKeys } from "./keys.js";
import { connect, link, watchLink } from "./live.js";
import { Bands, Said } from "./parts/bands.js";
import { Help, helpShown } from "./parts/help.js";
import { KeyEntry } from "./parts/key_entry.js";
import { Top, VIEWS } from "./parts/top.js";
import { TaskPanel } from "./parts/task_panel.js";
import { go, route } from "./route.js";
import { startStore } from "./store.js";
import { startClock } from "./time.js";
import { Batches } from "./views/batches.js";
import { Batch } from "./views/batch.js";
import { Overview } from "./views/overview.js";
import { Submit } from "./views/submit.js";
import { Tasks } from "./views/tasks.js";
import { Workers } from "./views/workers.js";

const SHOWN = { "": Overview, tasks: Tasks, batches: Batches, workers: Workers, submit: Submit };

function Page() {
  const { path, query } = route.value;
  useLayoutEffect(() => bind({
    "?": () => { helpShown.value = true; },
    ...Object.fromEntries(VIEWS.map(({ name }, index) => [String(index + 1), () => go(name ? [name] : [])])),
    n: () => { go(["submit"]); focusOn("#type"); },
    "/": () => {
      if (!document.querySelector("#search")) go(["tasks"]);
      setTimeout(() => focusOn("#search"), 0);
    },
  }), []);
  useEffect(() => {
    document.title = `${path[0] ? `${path[0][0].toUpperCase()}${path[0].slice(1)} · ` : ""}Vera`;
  }, [path[0]]);
  const View = path[0] === "batches" && path[1] ? Batch : SHOWN[path[0]] ?? Overview;
  return html`
    <a class="skip button" href="#main" onClick=${(event) => { event.preventDefault(); focusOn("#main"); }}>To the content</a>
    <${Top} current=${path[0]} />
    <div class=${link.value.state === "lost" ? "stale" : ""}>
      <${Bands} />
      <div class=${`work ${query.task ? "with-panel" : ""}`}>
        <main id="main" tabindex="-1"><${View} key=${path.join("/")} path=${path} query=${query} /></main>
        ${query.task && html`<${TaskPanel} key=${query.task} id=${query.task} />`}
      </div>
    </div>
    <${Said} />
    ${helpShown.value && html`<${Help} />`}
    ${keyWanted.value && html`<${KeyEntry} problem=${keyWanted.value} />`}`;
}

startClock();
startKeys();
startStore();
render(html`<${Page} />`, document.querySelector("#app"));
connect();
watchLink();
