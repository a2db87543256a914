// One chart: draws the figure it is given, as wide as its container, and reports which point was clicked.
const MOST_ROWS = 500;
const LEAST_PX = 440; // narrower than this, labels cover each other: the chart scrolls in its own place instead
const LEAST_BESIDE_PX = 640; // the same for several plots in one chart

async function library() {
  for (let i = 0; i < 3000 && !globalThis.__workbenchPlotly; i++) await new Promise((done) => setTimeout(done, 20));
  return globalThis.__workbenchPlotly;
}

// A figure comes in the light colours; in the dark, each of them has one that stands for it.
function themed(text) {
  if (document.documentElement.dataset.wbTheme !== "dark") return text;
  const dark = globalThis.__workbenchDark || {};
  const numbers = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",");
  const triples = Object.fromEntries(Object.entries(dark).map(([from, to]) => [numbers(from), numbers(to)]));
  return text
    .replace(/#[0-9a-f]{6}\b/g, (hex) => dark[hex] || hex)
    .replace(/(rgba?\()(\d+, ?\d+, ?\d+)/g, (all, head, of) => head + (triples[of.replaceAll(" ", "")] || of));
}

const SIGNS = [[/<[^>]+>/g, " "], [/&lt;/g, "<"], [/&amp;/g, "&"], [/\s+/g, " "]];
const plain = (text) => SIGNS.reduce((said, [sign, word]) => said.replace(sign, word), text || "").trim();

// What is on the picture in words: its title, the line below it, or the sentence that stands there instead.
function wordsOf({ data, layout }) {
  const { title = {}, annotations = [] } = layout;
  const instead = data.length ? [] : annotations.map((each) => each.text);
  return [title.text, title.subtitle?.text, ...instead].map(plain).filter(Boolean);
}

// Without anything to draw, words take the place of axes, and wrap.
function tell(box, [title, ...sentences]) {
  const [head, rest] = ["strong", "p"].map((kind) => document.createElement(kind));
  head.textContent = title || "";
  rest.textContent = sentences.join(" ");
  box.removeAttribute("role");
  box.removeAttribute("aria-label");
  box.replaceChildren(head, rest);
  box.classList.add("wb-empty-chart");
}

function roomFor(layout, width) {
  const plots = Object.keys(layout).filter((name) => name.startsWith("xaxis")).length;
  return Math.max(width, plots > 1 ? LEAST_BESIDE_PX : LEAST_PX);
}

function cells(kind, values) {
  const row = document.createElement("tr");
  for (const value of values) {
    const cell = row.appendChild(document.createElement(kind));
    cell.textContent = value;
    if (kind === "th") cell.scope = "col";
  }
  return row;
}

function fill(place, rows, label, words) {
  const table = Object.assign(document.createElement("table"), { className: "wb-table" });
  table.append(Object.assign(document.createElement("caption"), { className: "wb-unseen", textContent: label }));
  table.append(cells("th", Object.keys(rows[0])), ...rows.slice(0, MOST_ROWS).map((row) => cells("td", Object.values(row))));
  place.replaceChildren(table);
  if (rows.length > MOST_ROWS) {
    place.append(words.more.replace("{shown}", MOST_ROWS).replace("{all}", rows.length.toLocaleString("en")));
  }
}

// The same numbers, made when somebody unfolds them.
function tableOf(model, el) {
  const words = model.get("words");
  const details = el.appendChild(document.createElement("details"));
  details.append(Object.assign(document.createElement("summary"), { textContent: words.unfold }));
  const place = details.appendChild(Object.assign(document.createElement("div"), { className: "wb-scroll", tabIndex: 0 }));
  place.setAttribute("role", "region");
  const show = () => {
    const rows = model.get("rows");
    place.setAttribute("aria-label", `${words.table}: ${model.get("label")}`);
    details.hidden = !rows.length;
    if (rows.length && details.open) fill(place, rows, model.get("label"), words);
  };
  details.addEventListener("toggle", show);
  show();
  return show;
}

export default {
  async render({ model, el }) {
    el.classList.add("wb-chart");
    el.setAttribute("role", "figure");
    el.setAttribute("aria-label", model.get("label"));
    const box = el.appendChild(document.createElement("div"));
    box.className = "wb-drawing";
    tell(box, [model.get("label"), model.get("words").waiting]);
    const retell = tableOf(model, el);
    const Plotly = await library();
    let width = 0;
    let due = false;
    let last = Promise.resolve();

    const show = (figure) => {
      if (!figure.data.length) {
        Plotly.purge(box);
        delete box.dataset.listens;
        tell(box, wordsOf(figure));
        return count();
      }
      if (box.classList.contains("wb-empty-chart")) box.replaceChildren();
      box.classList.remove("wb-empty-chart");
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", wordsOf(figure).join(". ") || model.get("label"));
      const layout = { ...figure.layout, width: roomFor(figure.layout, width), autosize: false };
      const options = { displayModeBar: false }; // its buttons are icons; a double click zooms back out
      return Plotly.react(box, figure.data, layout, options).then(listen);
    };
    const draw = () => {
      el.setAttribute("aria-label", model.get("label"));
      const text = model.get("figure");
      width = text ? el.clientWidth : 0; // 0 while hidden: drawn as soon as it has a width again
      if (!width) return;
      const figure = JSON.parse(themed(text));
      last = last.then(() => show(figure)).catch((error) => console.error(error));
    };
    // Only the newest figure is drawn, and after the numbers beside it are on the screen: a drawing takes many frames.
    const soon = () => {
      if (due) return;
      due = true;
      requestAnimationFrame(() => setTimeout(() => ((due = false), draw())));
    };
    const count = () => {
      el.dataset.drawn = String(1 + Number(el.dataset.drawn || 0));
    };
    const listen = () => {
      count();
      if (box.dataset.listens) return;
      box.dataset.listens = "yes";
      box.on("plotly_click", (event) => {
        const { curveNumber, pointNumber } = event.points[0];
        model.send({ kind: "click", trace: curveNumber, point: pointNumber });
      });
      box.on("plotly_selected", (event) => {
        const { x, y } = event?.range || {};
        if (x && y) model.send({ kind: "brush", x: x.slice(0, 2), y: y.slice(0, 2) });
      });
    };
    const fade = () => el.classList.toggle("wb-old", model.get("old"));
    const resized = new ResizeObserver(() => {
      if (el.clientWidth && el.clientWidth !== width) soon();
    });

    model.on("change:figure", soon);
    model.on("change:rows", retell);
    model.on("change:old", fade);
    addEventListener("wb-theme", soon);
    resized.observe(el);
    draw();
    return () => {
      resized.disconnect();
      model.off("change:figure", soon);
      model.off("change:rows", retell);
      model.off("change:old", fade);
      removeEventListener("wb-theme", soon);
      Plotly.purge(box);
    };
  },
};
