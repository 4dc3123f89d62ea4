// The address: `#/tasks?status=failed&task=ID` names the view, its filters and the task that is open.
import { signal } from "@preact/signals";

function read() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").map(safe), query: Object.fromEntries(new URLSearchParams(search)) };
}

function safe(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

export const route = signal(read());
addEventListener("hashchange", () => { route.value = read(); });

export function href(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${path.map(encodeURIComponent).join("/")}${search}`;
}

export const go = (path, query = {}) => { location.hash = href(path, query); };

/** Change some of the query and stay in the view; what is typed makes no entry in the browser's history. */
export function amend(change, { replace = false } = {}) {
  const { path, query } = read(); // the address may have changed a moment ago, and nobody told of it yet
  const target = href(path, { ...query, ...change });
  if (!replace) { location.hash = target; return; }
  history.replaceState(null, "", target);
  route.value = read();
}

export const taskHref = (id) => href(route.value.path, { ...route.value.query, task: id });
export const openTask = (id) => amend({ task: id });
