"use strict";
(() => {
  const shades = JSON.parse(document.getElementById("shades").textContent);
  let figures = {};
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };
  const paper = 680;

  // The inverse of `packed` in report/packing.py: two characters hold 13 bits; what is past the last byte falls away.
  const unpack = (text, size) => {
    const digit = (at) => (text[at] === "~" ? 60 : text.charCodeAt(at)) - 35;
    const bytes = new Uint8Array(size);
    let held = 0;
    let bits = 0;
    let filled = 0;
    for (let at = 0; at < text.length; at += 2) {
      held = (held << 13) | (91 * digit(at) + digit(at + 1));
      for (bits += 13; bits >= 8; bits -= 8) bytes[filled++] = held >> (bits - 8);
      held &= 0xff;
    }
    return bytes;
  };

  const read = (id) => {
    const packed = document.getElementById(id);
    const bytes = unpack(packed.textContent, Number(packed.dataset.bytes));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  };

  // A script element with the library as its text runs at once, where its hash is the one that the policy names.
  const runLibrary = async () => {
    const script = document.createElement("script");
    script.textContent = await read("library");
    document.head.append(script);
  };

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

  const start = async () => {
    figures = JSON.parse(await read("figures"));
    await runLibrary();
    const drawn = draw(dark.matches);
    dark.addEventListener("change", () => draw(dark.matches));
    window.addEventListener("beforeprint", () => draw(false, paper));
    window.addEventListener("afterprint", () => draw(dark.matches));
    await drawn;
  };

  const sayNone = () => {
    document.getElementById("no-plots").hidden = false;
  };

  if (!window.DecompressionStream) {
    sayNone();
  } else {
    start().catch((error) => {
      sayNone();
      throw error;
    });
  }
})();
