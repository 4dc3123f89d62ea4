// Light, dark, or as the system says.
import { signal } from "@preact/signals";

const NAME = "vera.theme", ORDER = ["auto", "light", "dark"];
export const chosen = signal(document.documentElement.dataset.theme ?? "auto");

export function nextTheme() {
  const theme = ORDER[(ORDER.indexOf(chosen.value) + 1) % ORDER.length];
  chosen.value = theme;
  if (theme === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(NAME);
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(NAME, theme);
  }
}
