"use strict";
// Tables that sort, filter, fold columns and download as CSV; folds that open for a link and for paper; copying.
// Without this script every table and text is there, unfolded.
(() => {
  const make = (tag, text, attributes = {}) => {
    const found = document.createElement(tag);
    found.textContent = text;
    for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
    return found;
  };

  // The cell under a column, where one before it may span several.
  const under = (row, column) => {
    let at = 0;
    for (const cell of row.cells) {
      at += cell.colSpan;
      if (column < at) return cell;
    }
    return null;
  };
  const words = (cell) => (cell ? cell.innerText.trim().replace(/\s+/g, " ") : "");

  // A cell that begins with a number counts as it: 1,234, −5 %, < 0.001, 93.2k.
  const sizes = { k: 1e3, M: 1e6, G: 1e9 };
  const value = (text) => {
    const found = /^[<>#×]? ?([+−-]?)([\d,]*\.?\d+(?:e[+-]?\d+)?) ?([kMG](?!\w))?/.exec(text);
    if (!found) return text === "∞" ? Infinity : null;
    return (/[−-]/.test(found[1]) ? -1 : 1) * Number(found[2].replaceAll(",", "")) * (sizes[found[3]] ?? 1);
  };
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x !== null && y !== null) return x - y;
    return x !== null ? -1 : y !== null ? 1 : a.localeCompare(b);
  };

  const sortable = (table, first) => {
    for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
      if (!head.textContent.trim()) continue;
      const button = make("button", "", { type: "button", class: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const turn = { ascending: "descending", descending: "" }[head.ariaSort ?? ""] ?? "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        if (turn) head.setAttribute("aria-sort", turn);
        const of = new Map(first.map((row) => [row, words(under(row, column))]));
        const empty = (row) => ["", "–"].includes(of.get(row));
        const order = (a, b) => empty(a) - empty(b) || compare(of.get(a), of.get(b)) * (turn === "ascending" ? 1 : -1);
        table.tBodies[0].append(...(turn ? first.toSorted(order) : first));
      });
    }
  };

  const csv = (table) => {
    const quoted = (text) => {
      const safe = /^[=@\t]|^[+-](?![\d.])/.test(text) ? `'${text}` : text;  // no spreadsheet takes it for a formula
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const line = (row) =>
      [...row.cells].flatMap((cell) => [quoted(cell.textContent.trim().replace(/\s+/g, " ")), ...Array(cell.colSpan - 1).fill("")]);
    return [...table.rows].filter((row) => !row.hidden).map((row) => line(row).join(",")).join("\r\n") + "\r\n";
  };

  const tools = (table) => {
    const rows = [...table.tBodies[0].rows];
    const bar = make("div", "", { class: "tools" });
    const name = table.caption ? table.caption.textContent.trim() : "table";
    const button = (text, act, attributes = {}) => {
      const found = make("button", text, { type: "button", ...attributes });
      found.addEventListener("click", () => act(found));
      bar.append(found);
    };
    if (rows.length > 1) sortable(table, rows);
    if (rows.length > 10) {
      const field = make("input", "", { type: "search", placeholder: "Filter rows", "aria-label": `Filter rows: ${name}` });
      const told = make("span", "", { role: "status", class: "note" });
      field.addEventListener("input", () => {
        const asked = field.value.toLowerCase().split(/\s+/);
        for (const row of rows) row.hidden = !asked.every((word) => row.textContent.toLowerCase().includes(word));
        told.textContent = field.value ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
      });
      bar.append(field, told);
    }
    const folded = table.tHead.querySelectorAll(".fold").length;
    if (folded) {
      const turn = (found) => {
        const few = table.classList.toggle("few");
        found.textContent = few ? `Show ${folded} more columns` : "Fewer columns";
        found.setAttribute("aria-expanded", !few);
      };
      button("", turn);
      turn(bar.lastChild);
    }
    button("CSV", () => {
      const address = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }));
      const file = `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60) || "table"}.csv`;
      make("a", "", { href: address, download: file }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    }, { "aria-label": `Download as CSV: ${name}` });
    table.closest(".scroll").before(bar);
  };
  for (const table of document.querySelectorAll("table.board")) if (table.tHead && table.tBodies[0].rows.length) tools(table);

  for (const text of document.querySelectorAll("[data-copy]")) {
    const button = make("button", "Copy", { type: "button", class: "copy" });
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(text);
      try {
        await navigator.clipboard.writeText(text.innerText.trim());
      } catch {
        document.execCommand("copy");
      }
      button.textContent = "Copied";
    });
    text.after(button);
  }

  const reveal = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = place?.querySelector(":scope > details.part");
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", reveal);
  for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", () => setTimeout(reveal));
  reveal();
  let shut = [];
  addEventListener("beforeprint", () => {
    shut = [...document.querySelectorAll("details.part:not([open])")];
    for (const fold of shut) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of shut) fold.open = false;
  });
})();
