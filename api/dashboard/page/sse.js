// The events of one task, over fetch, since EventSource cannot send a key.
import { authorization, BASE, enc } from "./api.js";

const AGAIN_MS = 1000;

/** Tell `take(event, data)` of each event until the task ends or the returned function is called. */
export function follow(id, take) {
  const stop = new AbortController();
  run(id, take, stop.signal);
  return () => stop.abort();
}

async function run(id, take, stop) {
  const place = { last: null, isOver: false };
  while (!stop.aborted && !place.isOver) {
    try {
      await once(id, take, stop, place);
    } catch (error) {
      if (stop.aborted || error.isFinal) return;
    }
    if (!place.isOver) await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
  }
}

async function once(id, take, stop, place) {
  const headers = { ...authorization(), Accept: "text/event-stream", ...(place.last ? { "Last-Event-ID": place.last } : {}) };
  const response = await fetch(`${BASE}/tasks/${enc(id)}/events`, { headers, signal: stop });
  if (!response.ok) throw Object.assign(new Error(String(response.status)), { isFinal: response.status < 500 });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) hand(block, take, place);
  }
}

function hand(block, take, place) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "event") event = value;
    else if (name === "data") data.push(value);
    else if (name === "id") place.last = value;
  }
  if (!data.length) return;
  take(event, JSON.parse(data.join("\n")));
  if (event === "end") place.isOver = true;
}
