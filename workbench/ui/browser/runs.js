// The measured runs as a table: a column can be sorted by and limited, and a row can be picked.
const MOST_ROWS = 300;
let made = 0;

function named(kind, properties, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  element.append(...children);
  return element;
}

export default {
  render({ model, el }) {
    el.classList.add("wb-scroll");
    el.tabIndex = 0;
    el.setAttribute("role", "region");
    const words = model.get("words");
    const id = `wb-runs-${(made += 1)}`;
    const table = named("table", { className: "wb-table wb-runs" });
    const more = named("p", { className: "wb-help" });
    el.append(table, more);
    let order = { column: -1, down: false };

    const limit = (column) => {
      const [low, high] = ["low", "high"].map((end) => document.getElementById(`${id}-${column}-${end}`).value.trim());
      model.send({ kind: "limit", column: model.get("columns")[column].name, low, high });
    };
    const field = (column, i, end) => {
      const input = named("input", { id: `${id}-${i}-${end}`, type: "text", inputMode: "decimal", value: column[end] });
      input.placeholder = words[end];
      input.setAttribute("aria-label", `${column.title}: ${end === "low" ? words.least : words.most} (${column.unit})`);
      input.addEventListener("change", () => limit(i));
      return input;
    };
    const heading = (column, i) => {
      const mark = order.column === i ? (order.down ? " ▼" : " ▲") : "";
      const sort = named("button", { className: "wb-sort", textContent: column.title + mark });
      sort.addEventListener("click", () => {
        order = { column: i, down: order.column === i && !order.down };
        fill();
        table.querySelectorAll(".wb-sort")[i].focus();
      });
      const cell = named("th", { scope: "col" }, sort);
      cell.setAttribute("aria-sort", mark ? (order.down ? "descending" : "ascending") : "none");
      return cell;
    };
    const line = (row) => {
      const pick = named("button", { className: "wb-run", textContent: row.name, title: row.steps });
      pick.dataset.key = row.key;
      pick.setAttribute("aria-pressed", String(row.key === model.get("picked")));
      pick.addEventListener("click", () => model.send({ kind: "pick", key: row.key }));
      const first = named("td", {}, pick, named("span", { className: "wb-help", textContent: row.marks }));
      return named("tr", {}, first, ...row.cells.map((text) => named("td", { textContent: text })));
    };
    const sorted = (rows) => {
      if (order.column < 0) return rows;
      const value = (row) => row.values[order.column] ?? Infinity;
      return [...rows].sort((a, b) => (order.down ? -1 : 1) * (value(a) - value(b)));
    };
    const fill = () => {
      const focused = table.contains(document.activeElement) ? document.activeElement : null;
      const at = focused && { id: focused.id, key: focused.dataset.key };
      const columns = model.get("columns");
      const rows = sorted(model.get("rows"));
      const head = named("tr", {}, named("th", { scope: "col", textContent: words.run }), ...columns.map(heading));
      const limits = columns.map((column, i) => named("td", {}, field(column, i, "low"), field(column, i, "high")));
      const second = named("tr", { className: "wb-limits" }, named("th", { scope: "row", textContent: words.limits }), ...limits);
      table.replaceChildren(head, second, ...rows.slice(0, MOST_ROWS).map(line));
      more.textContent = rows.length > MOST_ROWS ? words.more.replace("{shown}", MOST_ROWS).replace("{all}", rows.length) : "";
      el.setAttribute("aria-label", model.get("label"));
      el.hidden = !columns.length;
      if (at?.id) document.getElementById(at.id)?.focus();
      if (at?.key) table.querySelector(`[data-key="${at.key}"]`)?.focus();
    };
    const mark = () => {
      for (const each of table.querySelectorAll(".wb-run")) {
        each.setAttribute("aria-pressed", String(each.dataset.key === model.get("picked")));
      }
    };
    model.on("change:rows change:columns change:label", fill);
    model.on("change:picked", mark);
    fill();
  },
};
