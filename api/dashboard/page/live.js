// The WebSocket: what it says goes to listeners; when it is lost it is sought again, and everything is read anew.
import { signal } from "@preact/signals";
import { BASE, get, keyWanted, storedKey } from "./api.js";
import { learnClock, serverNow } from "./time.js";

const TOPICS = ["task", "worker", "spend"];
const SILENT_MS = 8000, CHECK_MS = 1000, FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 10_000;

/** `state` is connecting, open or lost; `since` is when that began; `retryAt` when it is tried again. */
export const link = signal({ state: "connecting", since: Date.now(), retryAt: null });
/** The newest status object. */
export const status = signal(null);

const listeners = { task: new Set(), worker: new Set(), spend: new Set(), back: new Set() };
let socket = null, heardAt = 0, failures = 0, timer = null;

/** Call a listener for each event of a kind (task, worker, spend), or `back` after each connection. */
export function on(kind, listener) {
  listeners[kind].add(listener);
  return () => listeners[kind].delete(listener);
}

export function connect() {
  clearTimeout(timer);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const key = storedKey();
  const opening = new WebSocket(`${scheme}://${location.host}${BASE}/ws/status`, key ? ["vera.v1", `vera.key.${key}`] : []);
  socket = opening;
  heardAt = Date.now();
  opening.onopen = () => {
    failures = 0;
    link.value = { state: "open", since: Date.now(), retryAt: null };
    opening.send(JSON.stringify({ subscribe: TOPICS }));
    listeners.back.forEach((listener) => listener());
  };
  opening.onmessage = ({ data }) => { heardAt = Date.now(); take(JSON.parse(data)); };
  opening.onclose = () => { if (socket === opening) lost(); };
}

/** Connect at once, with the key as it is now. */
export function reconnect() {
  const old = socket;
  socket = null;
  failures = 0;
  old?.close();
  connect();
}

function take(message) {
  if (message.event === undefined) {
    learnClock(message.workers?.timestamp);
    status.value = message;
  } else listeners[message.event]?.forEach((listener) => listener(message));
}

async function lost() {
  socket = null;
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures) * (0.75 + Math.random() / 2);
  failures += 1;
  const since = link.value.state === "lost" ? link.value.since : Date.now();
  link.value = { state: "lost", since, retryAt: Date.now() + wait };
  timer = setTimeout(connect, wait);
  if (failures === 1 || failures % 5 === 0) await get("/health").catch(() => null);
  if (keyWanted.value) clearTimeout(timer); // entering the key connects
}

export function watchLink() {
  setInterval(() => {
    if (socket?.readyState === WebSocket.OPEN && Date.now() - heardAt > SILENT_MS) {
      const silent = socket;
      socket = null;
      silent.close();
      lost();
    }
  }, CHECK_MS);
  addEventListener("online", () => { if (link.value.state === "lost") reconnect(); });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && link.value.state === "lost" && !keyWanted.value) reconnect();
  });
}

export const statusAge = () => serverNow() - heardAt;
