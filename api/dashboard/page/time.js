// Times: the server's clock, and how they are written.
import { signal } from "@preact/signals";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
let skew = 0;

/** The server's time in ms, renewed once a second. */
export const now = signal(Date.now());

export const serverNow = () => Date.now() + skew;

/** Learn how far the server's clock is from ours. */
export function learnClock(iso) {
  const there = Date.parse(iso);
  if (!Number.isNaN(there)) skew = Math.abs(there - Date.now()) < 1500 ? 0 : there - Date.now();
}

export function startClock() {
  setInterval(() => { if (!document.hidden) now.value = serverNow(); }, SECOND);
}

export const parse = (iso) => (iso ? Date.parse(iso) : null);

/** "340 ms", "2.4 s", "41 s", "3:05", "2 h 05", "3 d 4 h". */
export function span(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms < 0) ms = 0;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < 59.5 * SECOND) return `${Math.round(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}:${two(Math.floor((ms % MINUTE) / SECOND))}`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${two(Math.floor((ms % HOUR) / MINUTE))}`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

/** A time of today by the clock, another day's with the date. */
export function clock(ms, withSeconds = true) {
  if (ms === null || ms === undefined) return "–";
  const at = new Date(ms);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}${withSeconds ? `:${two(at.getSeconds())}` : ""}`;
  return at.toDateString() === new Date(serverNow()).toDateString() ? time : `${day(at)} ${time.slice(0, 5)}`;
}

export const exact = (iso) => (iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" }) : "");

const day = (at) => `${at.getDate()} ${at.toLocaleString("en", { month: "short" })}`;
const two = (number) => String(number).padStart(2, "0");
