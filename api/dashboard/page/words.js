// Names and numbers as the page writes them.
export const PRIORITIES = ["critical", "high", "normal", "low", "background"];

export const STATUSES = {
  running: { word: "running", tone: "run" },
  pending: { word: "pending", tone: "wait" },
  queued: { word: "queued", tone: "wait" },
  waiting_resources: { word: "needs a worker", tone: "hold" },
  rate_limited: { word: "at a limit", tone: "hold" },
  completed: { word: "completed", tone: "done" },
  failed: { word: "failed", tone: "fail" },
  cancelled: { word: "cancelled", tone: "off" },
};
export const FINAL = new Set(["completed", "failed", "cancelled"]);
export const isFinal = (status) => FINAL.has(status);

export const WORKER_TONES = {
  idle: "done", busy: "run", starting: "wait", overloaded: "hold", maintenance: "off", offline: "fail", error: "fail",
};
export const isDown = (worker) => worker.status === "offline" || worker.status === "error";

export const TYPES = [
  "llm_request", "tool_call", "code_execution", "api_request", "docker_task", "remote_compute",
  "ollama_request", "background_cognition", "parallel_batch", "custom",
];

export const short = (id) => (id && id.length > 22 ? /^[0-9a-f-]{36}$/.test(id) ? id.slice(0, 8) : `${id.slice(0, 20)}…` : id);

const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const count = (number) => (number === null || number === undefined ? "–" : whole.format(Math.round(number)));
export const about = (number) => (number === null || number === undefined ? "–" : number < 10_000 ? count(number) : compact.format(number));

export function money(usd) {
  if (usd === null || usd === undefined) return "–";
  if (usd === 0) return "$0";
  return usd < 0.01 ? `$${usd.toPrecision(2)}` : usd < 1000 ? `$${usd.toFixed(2)}` : `$${count(usd)}`;
}

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

export const json = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
