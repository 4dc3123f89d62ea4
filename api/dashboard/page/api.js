// The API: one way to call it, errors as they come, and the key.
import { signal } from "@preact/signals";

export const BASE = document.querySelector('meta[name="vera-api"]').content;
const KEY = "vera.key";

/** Why a key must be entered, or null. */
export const keyWanted = signal(null);

export const storedKey = () => sessionStorage.getItem(KEY);

export function keepKey(key) {
  if (key) sessionStorage.setItem(KEY, key); else sessionStorage.removeItem(KEY);
  keyWanted.value = null;
}

/** What the API answered instead: its `detail`, `field`, `remedy` and `status`; 0 where there was no answer. */
export class Problem extends Error {
  constructor({ status = 0, title = "No answer", detail = "", field = null, remedy = null } = {}) {
    super(detail || title);
    Object.assign(this, { status, title, detail: detail || title, field, remedy });
  }
}

export const authorization = () => (storedKey() ? { Authorization: `Bearer ${storedKey()}` } : {});

export async function call(method, path, { body, headers, signal: stop } = {}) {
  const options = { method, signal: stop, headers: { ...authorization(), ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  const response = await answerOf(BASE + path, options);
  const text = await response.text();
  let content = null;
  try { content = text ? JSON.parse(text) : null; } catch { /* a proxy's page */ }
  if (response.ok) return content;
  const problem = new Problem({ status: response.status, ...content });
  if (response.status === 401) keyWanted.value = problem;
  throw problem;
}

async function answerOf(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server does not answer.", remedy: "See whether vera up runs, and on this address." });
  }
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options = {}) => call("POST", path, { body, ...options });

/** A query string of what is set. */
export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const enc = encodeURIComponent;
