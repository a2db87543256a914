// The drawing library, sent once for all charts.
function load(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return import(url).then(() => globalThis.Plotly).finally(() => URL.revokeObjectURL(url));
}

export default {
  initialize({ model }) {
    globalThis.__workbenchDark = model.get("dark");
    if (!globalThis.__workbenchPlotly) globalThis.__workbenchPlotly = load(model.get("source"));
  },
  render() {},
};
