// A folded table of controls with two ticks each: off, or not there at all.
function tick(row, column, title, send) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: row[column] });
  box.disabled = row.only_hidden && column === "locked";
  box.setAttribute("aria-label", `${title}: ${row.title}`);
  box.addEventListener("change", () => send({ kind: "tick", name: row.name, column, on: box.checked }));
  const cell = document.createElement("td");
  cell.append(box);
  return cell;
}

function cell(kind, text) {
  return Object.assign(document.createElement(kind), { textContent: text });
}

export default {
  render({ model, el }) {
    const table = Object.assign(document.createElement("table"), { className: "wb-table" });
    el.append(table);
    const send = (message) => model.send(message);
    const fill = () => {
      const [first, off, gone] = model.get("heads");
      const head = document.createElement("tr");
      head.append(cell("th", first), cell("th", off), cell("th", gone));
      const rows = model.get("rows").map((row) => {
        const line = document.createElement("tr");
        line.append(cell("td", row.title), tick(row, "locked", off, send), tick(row, "hidden", gone, send));
        return line;
      });
      table.replaceChildren(head, ...rows);
    };
    model.on("change:rows change:heads", fill);
    fill();
  },
};
