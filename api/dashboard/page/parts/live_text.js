// What a running task says, as it says it.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { follow } from "../sse.js";

const KEPT = 60_000;

export function LiveText({ id }) {
  const [text, setText] = useState("");
  const box = useRef(null);
  useEffect(() => {
    let all = "", waiting = null;
    const show = () => { waiting = null; setText(all); };
    const stop = follow(id, (event, data) => {
      if (event !== "text") return;
      all = (all + data.text).slice(-KEPT);
      waiting ??= setTimeout(show, 80);
    });
    return () => { clearTimeout(waiting); stop(); };
  }, [id]);
  useEffect(() => { if (box.current) box.current.scrollTop = box.current.scrollHeight; }, [text]);
  if (!text) return null;
  return html`<section><h3>Says now</h3><pre class="says" ref=${box} tabindex="0" role="log" aria-label="Live output">${text}</pre></section>`;
}
