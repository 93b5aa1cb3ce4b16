"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const shades = read("shades");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };
  const paper = 680;

  // Figures are written in light colours; for a dark page each is exchanged for its dark partner.
  const shade = (value) => {
    if (typeof value === "string") return Object.hasOwn(shades, value) ? shades[value] : value;
    if (Array.isArray(value)) return value.map((item) => (typeof item === "object" && item ? shade(item) : item));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shade(item)]));
    }
    return value;
  };

  const draw = (isDark, width) =>
    Promise.all(
      Object.entries(figures).map(([id, figure]) => {
        const found = isDark ? shade(figure) : structuredClone(figure);
        if (width) found.layout.width = width;
        return Plotly.react(id, found.data, found.layout, options);
      }),
    ).then(() => {
      document.documentElement.dataset.plots = "drawn";
    });

  draw(dark.matches);
  dark.addEventListener("change", () => draw(dark.matches));
  window.addEventListener("beforeprint", () => draw(false, paper));
  window.addEventListener("afterprint", () => draw(dark.matches));
})();
