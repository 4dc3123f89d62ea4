// A dialog over the page: keeps the focus, ends with Escape, and gives the focus back.
import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { bind } from "../keys.js";

const REACHABLE = "a[href], button:not(:disabled), input, select, textarea, [tabindex='0']";

export function Dialog({ title, children, onClose }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    (box.current.querySelector("[autofocus]") ?? box.current.querySelector(REACHABLE) ?? box.current).focus();
    const unbind = bind({ Escape: () => onClose?.() });
    return () => { unbind(); before?.focus?.(); };
  }, []);
  function keep(event) {
    if (event.key !== "Tab") return;
    const all = [...box.current.querySelectorAll(REACHABLE)];
    const edge = event.shiftKey ? all[0] : all[all.length - 1];
    if (document.activeElement === edge) { event.preventDefault(); (event.shiftKey ? all[all.length - 1] : all[0]).focus(); }
  }
  return html`<div class="veil" onClick=${(event) => { if (event.target === event.currentTarget) onClose?.(); }}>
    <section class="dialog" role="dialog" aria-modal="true" aria-label=${title} tabindex="-1" ref=${box} onKeyDown=${keep}>
      <h2>${title}</h2>${children}
    </section>
  </div>`;
}
