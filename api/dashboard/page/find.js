// Opens what was typed, if it is the id of a task.
import { complain } from "./actions.js";
import { enc, get } from "./api.js";
import { amend } from "./route.js";

export async function openIfId(text) {
  const id = (text ?? "").trim();
  if (!id) return;
  try {
    await get(`/tasks/${enc(id)}`);
    amend({ task: id, q: "" });
  } catch (problem) {
    if (problem.status !== 404) complain(problem);
  }
}
