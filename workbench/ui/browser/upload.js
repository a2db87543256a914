// A button that hands one picture to Python. What is too large stays here: such a message would end the connection.
export default {
  render({ model, el }) {
    const button = Object.assign(document.createElement("button"), { className: "wb-button" });
    const field = Object.assign(document.createElement("input"), { type: "file", hidden: true });
    el.append(button, field);

    const show = () => {
      button.textContent = model.get("label");
      button.title = model.get("help");
      field.accept = model.get("accept");
    };
    button.addEventListener("click", () => field.click());
    field.addEventListener("change", async () => {
      const file = field.files[0];
      field.value = ""; // so that the same file can be picked again
      if (!file) return;
      if (file.size > model.get("most_bytes")) {
        model.send({ kind: "too large", bytes: file.size });
        return;
      }
      try {
        model.send({ kind: "picture" }, undefined, [await file.arrayBuffer()]);
      } catch {
        model.send({ kind: "unreadable" });
      }
    });
    model.on("change:label change:help change:accept", show);
    show();
  },
};
