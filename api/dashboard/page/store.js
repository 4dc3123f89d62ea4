// What is known of tasks, workers and spending: read once after each connection, then kept up by events.
import { signal } from "@preact/signals";
import { note } from "./activity.js";
import { get, query } from "./api.js";
import { on, status } from "./live.js";
import { serverNow } from "./time.js";
import { isFinal } from "./words.js";

const FLUSH_MS = 250, KNOWN_AT_MOST = 2000, SEED = 200;
const LIMITS_MS = 5000, SPEND_DAYS = 14, DAY_MS = 86_400_000;

/** Tasks by id, without payloads; `version` grows when one of them changes. */
export const known = new Map();
export const version = signal(0);
export const workers = signal(null);
export const usage = signal(null);
export const limits = signal([]);
export const spending = signal({ rows: [] });
/** Grows when events were left out, so that lists read again. */
export const gaps = signal(0);
export const readFault = signal(null);

let coming = new Map(), flushing = null, lost = 0, limitsAt = 0;

export function learn(tasks) {
  for (const task of tasks) {
    const before = known.get(task.id);
    known.set(task.id, before ? { ...before, ...task } : task);
    if (isFinal(task.status)) note(task);
  }
  forget();
  version.value += 1;
}

function forget() {
  if (known.size <= KNOWN_AT_MOST) return;
  for (const [id, task] of known) {
    if (known.size <= KNOWN_AT_MOST * 0.9) return;
    if (isFinal(task.status) || known.size > KNOWN_AT_MOST * 2) known.delete(id);
  }
}

export const runningTasks = () => [...known.values()].filter((task) => task.status === "running");

function flush() {
  flushing = null;
  const tasks = [...coming.values()];
  coming = new Map();
  learn(tasks);
  if (lost) { lost = 0; gaps.value += 1; }
}

on("task", ({ tasks, dropped }) => {
  for (const task of tasks) coming.set(task.id, task);
  lost += dropped || 0;
  flushing ??= setTimeout(flush, FLUSH_MS);
});

on("worker", ({ workers: changed, removed = [] }) => {
  const byId = new Map((workers.value ?? []).map((worker) => [worker.id, worker]));
  for (const worker of changed) byId.set(worker.id, worker);
  for (const id of removed) byId.delete(id);
  workers.value = [...byId.values()];
});

on("spend", ({ llm_api_usage }) => {
  usage.value = llm_api_usage;
  if (Date.now() - limitsAt > LIMITS_MS) readLimits();
});

status.subscribe((value) => {
  if (value?.resources?.llm_api_usage) usage.value = value.resources.llm_api_usage;
});

async function read(path, take) {
  try { take(await get(path)); readFault.value = null; } catch (problem) {
    if (problem.status !== 404 && problem.status !== 403 && problem.status !== 401) readFault.value = problem;
  }
}

export const readWorkers = () => read("/workers/list", (answer) => { workers.value = answer.workers; });

export function readLimits() {
  limitsAt = Date.now();
  const since = new Date(serverNow() - (SPEND_DAYS - 1) * DAY_MS).toISOString().slice(0, 10);
  read("/limits", (answer) => { limits.value = answer.limits; });
  read(`/spend${query({ by: "day,provider", since })}`, (answer) => { spending.value = answer; });
}

export function readAll() {
  readWorkers();
  readLimits();
  read(`/tasks/history${query({ limit: SEED, brief: true })}`, (answer) => learn([...answer.tasks].reverse()));
}

export function startStore() {
  let isFirst = true;
  on("back", () => {
    if (!isFirst) settleStale();
    isFirst = false;
    readAll();
  });
  setInterval(() => { if (!document.hidden) { readWorkers(); readLimits(); } }, 60_000);
}

/** After a time without connection, what was open may have ended unseen. */
function settleStale() {
  coming = new Map();
  for (const [id, task] of known) if (!isFinal(task.status)) known.delete(id);
  gaps.value += 1;
}
