// A page of the history that keeps itself up: the first one takes in what comes, later ones stay as they were read.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, query } from "./api.js";
import { gaps, known, learn, version } from "./store.js";

export const PAGE = 100;
const ASKED = ["status", "type", "worker_id", "caller", "tag", "batch_id"];
const MOVED_MS = 400;

export const asked = (filters) => Object.fromEntries(ASKED.map((name) => [name, filters[name]]));

/** Whether a task is one that the filters ask for. */
export function fits(task, filters) {
  const { status, type, worker_id: worker, caller, tag, batch_id: batch, priority, q } = filters;
  if (status && task.status !== status && !(status === "queued" && task.status === "pending")) return false;
  if (type && task.type !== type) return false;
  if (worker && (task.worker_id ?? task.result?.worker_id) !== worker) return false;
  if (caller && task.caller !== caller) return false;
  if (tag && !task.tags?.includes(tag)) return false;
  if (batch && task.batch_id !== batch) return false;
  if (priority && String(task.priority) !== priority) return false;
  return !q || textOf(task).includes(q.toLowerCase());
}

const textOf = (task) =>
  [task.id, task.type, task.summary, task.batch_id, task.caller, task.worker_id, task.result?.worker_id, task.result?.error, task.status_reason, ...(task.tags ?? [])]
    .filter(Boolean).join(" ").toLowerCase();

const newestFirst = (a, b) => (b.submitted_at ?? "").localeCompare(a.submitted_at ?? "");

/** Return {tasks, problem, isReading, page, older, newer}; `held` keeps the rows as they are. */
export function useTaskList(filters, held) {
  const [cursors, setCursors] = useState([null]);
  const [read, setRead] = useState({ ids: [], next: null, problem: null, isReading: true });
  const cursor = cursors[cursors.length - 1];
  const key = JSON.stringify(asked(filters));
  const turn = useRef(0);

  useEffect(() => { setCursors([null]); }, [key]);
  useEffect(() => {
    const mine = ++turn.current;
    const stop = new AbortController();
    setRead((before) => ({ ...before, isReading: true }));
    const timer = setTimeout(async () => {
      try {
        const answer = await get(`/tasks/history${query({ ...asked(filters), limit: PAGE, cursor, brief: true })}`, { signal: stop.signal });
        if (mine !== turn.current) return;
        learn([...answer.tasks].reverse());
        setRead({ ids: answer.tasks.map((task) => task.id), next: answer.next_cursor ?? null, problem: null, isReading: false });
      } catch (problem) {
        if (problem.name !== "AbortError" && mine === turn.current) setRead({ ids: [], next: null, problem, isReading: false });
      }
    }, gaps.value ? MOVED_MS : 0);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [key, cursor, gaps.value]);

  const isFirst = cursor === null;
  const current = isFirst
    ? [...known.values()].reverse().filter((task) => fits(task, filters)).sort(newestFirst).slice(0, PAGE)
    : read.ids.map((id) => known.get(id)).filter((task) => task && fits(task, filters));
  const frozen = useRef(null);
  if (!held) frozen.current = null; else frozen.current ??= current.map((task) => task.id);
  const tasks = held ? frozen.current.map((id) => known.get(id)).filter(Boolean) : current;
  useMemo(() => version.value, [version.value]);
  return {
    tasks, problem: read.problem, isReading: read.isReading, page: cursors.length,
    coming: held ? current.filter((task) => !frozen.current.includes(task.id)).length : 0,
    older: read.next ? () => setCursors([...cursors, read.next]) : null,
    newer: cursors.length > 1 ? () => setCursors(cursors.slice(0, -1)) : null,
  };
}
