// What an operator does: each action says what came of it, in one place on the page.
import { signal } from "@preact/signals";
import { call, enc, post } from "./api.js";
import { learn, readWorkers } from "./store.js";

/** The last thing said: {text, remedy, tone} or null. */
export const said = signal(null);
let fading = null;

export function say(text, { tone = "done", remedy = null } = {}) {
  clearTimeout(fading);
  said.value = { text, tone, remedy };
  if (tone !== "fail") fading = setTimeout(() => { said.value = null; }, 6000);
}

export const complain = (problem) => say(problem.message, { tone: "fail", remedy: problem.remedy });

async function attempt(doing) {
  try {
    const answer = await doing();
    say(answer?.message || "Done.");
    return answer;
  } catch (problem) {
    complain(problem);
    return null;
  }
}

export async function cancelTask(id) {
  const answer = await attempt(() => post(`/tasks/${enc(id)}/cancel`));
  if (answer?.status) learn([{ id, status: answer.status }]);
  return answer;
}

export const retryTask = (id) => attempt(() => post(`/tasks/${enc(id)}/retry`));
export const cancelBatch = (id) => attempt(() => post(`/batches/${enc(id)}/cancel`));
export const retryBatch = (id) => attempt(() => post(`/batches/${enc(id)}/retry`));

async function onWorker(method, path) {
  const answer = await attempt(() => call(method, path));
  await readWorkers();
  return answer;
}

export const drainWorker = (id) => onWorker("POST", `/workers/${enc(id)}/drain`);
export const resumeWorker = (id) => onWorker("POST", `/workers/${enc(id)}/resume`);
export const removeWorker = (id) => onWorker("DELETE", `/workers/${enc(id)}`);
