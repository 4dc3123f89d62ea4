// Markup as tagged templates; every value becomes a text node or an attribute, never markup.
import { h } from "preact";
import htm from "htm";

function element(type, props, ...children) {
  this[0] = 3; // htm would give the same node again where nothing in it varies
  return h(type, props, ...children);
}

export const html = htm.bind(element);
