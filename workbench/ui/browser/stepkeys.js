// Alt with an arrow moves the highlighted step, Delete takes it out, while the list of steps or a button below has the focus.
function edit(event) {
  if (event.altKey && event.key === "ArrowUp") return "earlier";
  if (event.altKey && event.key === "ArrowDown") return "later";
  return event.key === "Delete" ? "remove" : "";
}

export default {
  render({ model, el }) {
    let box;
    const pressed = (event) => {
      const wanted = edit(event);
      if (!wanted || event.target.matches("input, select, textarea")) return;
      event.preventDefault();
      event.stopPropagation();
      model.send({ kind: "key", edit: wanted });
    };
    // What is around is there only once this is on the page.
    const timer = setTimeout(() => {
      box = el.closest(".wb-steps");
      box?.addEventListener("keydown", pressed);
    });
    return () => {
      clearTimeout(timer);
      box?.removeEventListener("keydown", pressed);
    };
  },
};
