// One task in full: read when it is opened, and again after each change of it.
import { useEffect, useState } from "preact/hooks";
import { enc, get } from "./api.js";
import { gaps, known, learn, version } from "./store.js";
import { isFinal } from "./words.js";

const AGAIN_MS = 400;

const briefly = ({ payload, ...task }) => task;

/** Return {task, problem}: what was read, with the newest that events said of it. */
export function useTask(id) {
  const [full, setFull] = useState(null);
  const [problem, setProblem] = useState(null);
  const brief = version.value >= 0 ? known.get(id) : null;
  const turn = brief ? `${brief.status} ${brief.retry_count} ${brief.worker_id ?? ""}` : "";

  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const task = await get(`/tasks/${enc(id)}`, { signal: stop.signal });
        setFull(task);
        setProblem(null);
        if (brief?.status !== task.status) learn([briefly(task)]);
      } catch (error) {
        if (error.name !== "AbortError") setProblem(error);
      }
    }, full ? AGAIN_MS : 0);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [id, turn, gaps.value]);

  return { task: full && merged(full, brief), problem };
}

/** What was read in full stays where the events' short form has less. */
function merged(full, brief) {
  if (!brief || (isFinal(full.status) && !isFinal(brief.status))) return full;
  return { ...full, status: brief.status, status_reason: brief.status_reason, progress: brief.progress ?? full.progress, started_at: brief.started_at ?? full.started_at, completed_at: brief.completed_at ?? full.completed_at };
}
