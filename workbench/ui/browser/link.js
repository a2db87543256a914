// Keeps the address of the page at the present choice, so that reloading, a bookmark and a new tab show the same.
const EVERY_MS = 400; // browsers refuse more than about a hundred changes in half a minute

export default {
  render({ model }) {
    if (document.querySelector(".jp-NotebookPanel")) return undefined; // the address is the notebook's
    let due = 0;
    const write = () => {
      due = 0;
      const asked = new URLSearchParams(model.get("query"));
      const url = new URL(location.href);
      for (const [name, value] of asked) url.searchParams.set(name, value);
      if (url.href !== location.href) history.replaceState(history.state, "", url);
    };
    const soon = () => {
      if (model.get("query") && !due) due = setTimeout(write, EVERY_MS);
    };
    model.on("change:query", soon);
    soon();
    return () => {
      clearTimeout(due);
      model.off("change:query", soon);
    };
  },
};
