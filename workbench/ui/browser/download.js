// A button that asks Python for a file and hands it to the browser.
function hand(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export default {
  render({ model, el }) {
    const button = Object.assign(document.createElement("button"), { className: "wb-button" });
    el.append(button);
    const show = () => {
      button.textContent = model.get("label");
      button.disabled = !model.get("ready");
      button.title = model.get("help");
    };
    const receive = (message, buffers) => {
      if (message.kind === "file") hand(message.name, buffers[0]);
    };
    button.addEventListener("click", () => model.send({ kind: "want" }));
    model.on("msg:custom", receive);
    model.on("change:label change:ready change:help", show);
    show();
    return () => model.off("msg:custom", receive);
  },
};
