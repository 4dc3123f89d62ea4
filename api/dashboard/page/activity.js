// How busy each worker was in the last minutes: seconds of work per slice of time, in a ring, however many tasks there are.
import { serverNow } from "./time.js";

export const SLICE_MS = 2000, SLICES = 150;

const rows = new Map(); // worker id -> {busy, failed, slice}: `slice` is the newest one in the ring
const counted = new Set();

function row(worker, slice) {
  let found = rows.get(worker);
  if (!found) {
    found = { busy: new Float32Array(SLICES), failed: new Uint16Array(SLICES), slice };
    rows.set(worker, found);
  }
  for (; found.slice < slice; found.slice += 1) {
    const place = (found.slice + 1) % SLICES;
    found.busy[place] = 0;
    found.failed[place] = 0;
    if (slice - found.slice > SLICES) found.slice = slice - SLICES;
  }
  return found;
}

function spread(busy, from, to, newest) {
  const first = Math.max(Math.floor(from / SLICE_MS), newest - SLICES + 1);
  const last = Math.min(Math.floor(to / SLICE_MS), newest);
  for (let slice = first; slice <= last; slice += 1) {
    const overlap = Math.min(to, (slice + 1) * SLICE_MS) - Math.max(from, slice * SLICE_MS);
    busy[slice % SLICES] += Math.max(overlap, 1) / SLICE_MS;
  }
}

/** Count a task that has ended, once. */
export function note(task) {
  const worker = task.result?.worker_id ?? task.worker_id;
  if (!worker || !task.started_at || !task.completed_at) return;
  const mark = `${task.id} ${task.completed_at}`;
  if (counted.has(mark)) return;
  counted.add(mark);
  if (counted.size > 5000) counted.delete(counted.values().next().value);
  const newest = Math.floor(serverNow() / SLICE_MS);
  const found = row(worker, newest);
  const from = Date.parse(task.started_at), to = Date.parse(task.completed_at);
  spread(found.busy, from, to, newest);
  const slice = Math.floor(to / SLICE_MS);
  if (task.status === "failed" && slice > newest - SLICES && slice <= newest) found.failed[slice % SLICES] += 1;
}

/** Return a worker's slices, the oldest first, with what runs now added: {busy, failed}. */
export function trace(worker, running) {
  const at = serverNow(), newest = Math.floor(at / SLICE_MS);
  const found = row(worker, newest);
  const busy = Float32Array.from(found.busy);
  for (const task of running) if (task.started_at) spread(busy, Date.parse(task.started_at), at, newest);
  const order = (ring) => Array.from({ length: SLICES }, (_, index) => ring[(newest + 1 + index) % SLICES]);
  return { busy: order(busy), failed: order(found.failed) };
}
