// What a task tells of itself in one line, and its times.
import { parse } from "./time.js";
import { isFinal } from "./words.js";

/** The reason of a task that failed or waits, else what it is about. */
export function summaryOf(task) {
  if (task.status === "failed") return firstLine(task.result?.error);
  if (!isFinal(task.status) && task.status !== "running" && task.status_reason) return task.status_reason;
  return task.summary ?? fromPayload(task.payload) ?? "";
}

function fromPayload(payload) {
  if (!payload) return null;
  const text = payload.prompt ?? payload.tool_name ?? payload.url ?? payload.code ?? payload.focus ?? payload.command;
  return text === undefined ? null : firstLine(Array.isArray(text) ? text.join(" ") : String(text)).slice(0, 160);
}

const firstLine = (text) => (text ?? "").trim().split("\n", 1)[0];

/** How long it waited and how long it ran, in ms; null where that has not begun. */
export function timesOf(task, at) {
  const submitted = parse(task.submitted_at), started = parse(task.started_at), ended = parse(task.completed_at);
  return {
    waited: submitted === null ? null : (started ?? ended ?? at) - submitted,
    ran: started === null ? null : (ended ?? at) - started,
  };
}

export const workerOf = (task) => task.worker_id ?? task.result?.worker_id ?? null;
