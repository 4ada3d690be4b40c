// Before the first paint: the theme that was chosen here, else the system's.
"use strict";
(() => {
  const KEY = "nocturne-theme";
  const THEMES = ["auto", "dark", "light"];
  const root = document.documentElement;

  function read() {
    try {
      const kept = localStorage.getItem(KEY);
      return THEMES.includes(kept) ? kept : "auto";
    } catch {
      return "auto";
    }
  }

  function keep(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Without storage the choice holds for this page.
    }
  }

  function apply(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (!button) return;
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    button.querySelector(".theme-name").textContent = theme;
    button.setAttribute("aria-label", `Theme: ${theme}. Change to ${next}.`);
    button.hidden = false;
  }

  let chosen = read();
  apply(chosen);
  document.addEventListener("DOMContentLoaded", () => {
    apply(chosen);
    document.getElementById("theme")?.addEventListener("click", () => {
      chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
      keep(chosen);
      apply(chosen);
    });
  });
})();
