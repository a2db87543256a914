// Ctrl+Z and Ctrl+Shift+Z for the page; in a field they belong to what is typed.
const TYPED = "input:not([type=checkbox]):not([type=radio]), textarea, [contenteditable=true]";

function asked(event) {
  if (event.altKey || !(event.ctrlKey || event.metaKey)) return "";
  const key = event.key.toLowerCase();
  if (key === "y" && !event.shiftKey) return "redo";
  return key === "z" ? (event.shiftKey ? "redo" : "undo") : "";
}

function ours(target) {
  // In a notebook the keys belong to its cells unless something of this page has the focus.
  return document.querySelector(".jp-NotebookPanel") ? Boolean(target.closest?.(".wb-app")) : true;
}

export default {
  render({ model }) {
    const press = (event) => {
      const kind = asked(event);
      if (!kind || event.target.closest?.(TYPED) || !ours(event.target)) return;
      event.preventDefault();
      model.send({ kind });
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  },
};
