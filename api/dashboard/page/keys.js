// Single-key shortcuts. They can be switched off, and none acts while something is typed.
import { signal } from "@preact/signals";

const OFF = "vera.shortcuts";
export const shortcutsOn = signal(localStorage.getItem(OFF) !== "off");

export function switchShortcuts(isOn) {
  shortcutsOn.value = isOn;
  localStorage.setItem(OFF, isOn ? "on" : "off");
}

const bound = []; // the newest binding of a key wins: what is opened last is on top

/** Bind keys, `{j: handler}`, until the returned function is called; a handler that returns false passes it on. */
export function bind(handlers) {
  bound.unshift(handlers);
  return () => { bound.splice(bound.indexOf(handlers), 1); };
}

const types = (element) =>
  element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement ||
  (element instanceof HTMLInputElement && !["radio", "checkbox", "button"].includes(element.type));

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const isEscape = event.key === "Escape";
  if (!isEscape && (!shortcutsOn.value || types(event.target))) return;
  if (event.key === "Enter" && event.target.closest?.("a, button, summary, input")) return;
  for (const handlers of [...bound]) {
    const handler = handlers[event.key];
    if (handler && handler(event) !== false) { event.preventDefault(); return; }
  }
}

export const startKeys = () => addEventListener("keydown", pressed);

/** Put the focus on an element once it is there. */
export const focusOn = (selector) => requestAnimationFrame(() => document.querySelector(selector)?.focus());
