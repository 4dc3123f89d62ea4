// What needs somebody: a pure function of what is known.
import { isDown, plural, short } from "./words.js";

const RECENT_MS = 30 * 60_000, AT_MOST = 8, HOUR_S = 3600, NAMED = 3;
const BUSY = /\b(is|are) busy$/; // that passes by itself

/** Return {tone, title, detail, remedy, href} of each matter, the gravest first. */
export function matters({ status, workers, limits, usage, tasks, at }) {
  return [
    ...downWorkers(workers ?? []),
    ...spentLimits(limits, usage),
    ...recording(status),
    ...failures(tasks, at),
    ...heldUp(tasks),
  ].slice(0, AT_MOST);
}

/** Those that are down for one reason are one matter. */
function downWorkers(workers) {
  const groups = new Map();
  for (const worker of workers.filter(isDown)) {
    const key = `${worker.status} ${worker.status_reason}`;
    groups.set(key, [...(groups.get(key) ?? []), worker]);
  }
  return [...groups.values()].map((alike) => {
    const [first] = alike;
    const names = alike.length > NAMED ? `${first.id} and ${alike.length - 1} more` : alike.map((worker) => worker.id).join(", ");
    return {
      tone: "fail", title: `${names} ${alike.length > 1 ? "are" : "is"} ${first.status === "error" ? "in error" : "offline"}`,
      detail: first.status_reason ?? "", href: `#/workers?worker=${encodeURIComponent(first.id)}`,
    };
  });
}

/** Limits that are used up: those of /limits, else the quotas of the workers. */
function spentLimits(limits, usage) {
  const found = limits.filter((one) => one.window_seconds >= HOUR_S && one.remaining <= 0).map((one) => [`${one.name ?? one.scope}: ${measureWord(one.measure)}`, one.resets_at]);
  if (!limits.length) {
    for (const [id, one] of Object.entries(usage?.workers ?? {})) {
      for (const [measure, left] of Object.entries(one.quota_remaining)) if (left !== null && left <= 0) found.push([`${id}: ${measureWord(measure)} per day`, null]);
    }
  }
  return found.map(([what, resets]) => ({
    tone: "hold", title: `Quota used up: ${what}`, resets,
    detail: "Tasks wait, or go to another worker or model.", href: "#/tasks?status=rate_limited",
  }));
}

const measureWord = (measure) => (measure === "cost" ? "money" : measure);

function recording(status) {
  const prefect = status?.prefect;
  if (!prefect || prefect.connected || !prefect.reason || /off\b/.test(prefect.reason)) return [];
  return [{ tone: "hold", title: "Runs are not recorded in Prefect", detail: prefect.reason, remedy: [prefect.advice].flat().filter(Boolean).join(" ") }];
}

function failures(tasks, at) {
  const groups = new Map();
  for (const task of tasks) {
    if (task.status !== "failed" || at - Date.parse(task.completed_at) > RECENT_MS) continue;
    const why = firstLine(task.result?.error) || "no reason was given";
    const group = groups.get(why) ?? { why, tasks: [] };
    group.tasks.push(task);
    groups.set(why, group);
  }
  return [...groups.values()].sort((a, b) => b.tasks.length - a.tasks.length).slice(0, 4).map(({ why, tasks: failed }) => {
    const newest = failed.reduce((a, b) => (a.completed_at > b.completed_at ? a : b));
    const title = failed.length === 1 ? `${newest.type} ${short(newest.id)} failed` : `${plural(failed.length, "task")} failed alike`;
    return { tone: "fail", title, detail: why, at: newest.completed_at, task: newest.id, more: failed.length > 1 ? "#/tasks?status=failed" : null };
  });
}

function heldUp(tasks) {
  const groups = new Map();
  for (const task of tasks) {
    const why = task.status_reason ?? "no worker can take it now";
    if (task.status !== "waiting_resources" || BUSY.test(why)) continue;
    groups.set(why, [...(groups.get(why) ?? []), task]);
  }
  return [...groups].sort((a, b) => b[1].length - a[1].length).slice(0, 2).map(([why, waiting]) => ({
    tone: "hold", title: `${plural(waiting.length, "task waits", "tasks wait")} for a worker`, detail: why, href: "#/tasks?status=waiting_resources",
  }));
}

const firstLine = (text) => (text ?? "").split("\n", 1)[0].trim();
