// One chart: draws the figure it is given, as wide as its container, and reports which point was clicked.
async function library() {
  for (let i = 0; i < 3000 && !globalThis.__workbenchPlotly; i++) await new Promise((done) => setTimeout(done, 20));
  return globalThis.__workbenchPlotly;
}

export default {
  async render({ model, el }) {
    el.classList.add("wb-chart");
    el.setAttribute("role", "img");
    const box = el.appendChild(document.createElement("div"));
    const Plotly = await library();
    let width = 0;
    let due = false;
    let last = Promise.resolve();

    const draw = () => {
      el.setAttribute("aria-label", model.get("label"));
      const text = model.get("figure");
      width = text ? el.clientWidth : 0; // 0 while hidden: drawn as soon as it has a width again
      if (!width) return;
      const { data, layout } = JSON.parse(text);
      const options = { displayModeBar: false }; // its buttons are icons; a double click zooms back out
      const react = () => Plotly.react(box, data, { ...layout, width, autosize: false }, options).then(listen);
      last = last.then(react).catch((error) => console.error(error));
    };
    // Only the newest figure is drawn, and after the numbers beside it are on the screen: a drawing takes many frames.
    const soon = () => {
      if (due) return;
      due = true;
      requestAnimationFrame(() => setTimeout(() => ((due = false), draw())));
    };
    const listen = () => {
      el.dataset.drawn = String(1 + Number(el.dataset.drawn || 0));
      if (box.dataset.listens) return;
      box.dataset.listens = "yes";
      box.on("plotly_click", (event) => {
        const { curveNumber, pointNumber } = event.points[0];
        model.send({ kind: "click", trace: curveNumber, point: pointNumber });
      });
    };
    const fade = () => el.classList.toggle("wb-old", model.get("old"));
    const resized = new ResizeObserver(() => {
      if (el.clientWidth && el.clientWidth !== width) soon();
    });

    model.on("change:figure", soon);
    model.on("change:old", fade);
    resized.observe(el);
    draw();
    return () => {
      resized.disconnect();
      model.off("change:figure", soon);
      model.off("change:old", fade);
      Plotly.purge(box);
    };
  },
};
