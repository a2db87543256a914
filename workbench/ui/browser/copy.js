// A button that copies a text and shows it.
async function toClipboard(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    return document.execCommand("copy");
  }
}

// In a notebook the address is not the page's: there the link is what comes behind the address of the app.
function whole(link) {
  return link && !document.querySelector(".jp-NotebookPanel") ? location.origin + location.pathname + link : link;
}

export default {
  render({ model, el }) {
    el.classList.add("wb-copy");
    const button = Object.assign(document.createElement("button"), { className: "wb-button" });
    const said = Object.assign(document.createElement("span"), { className: "wb-help" });
    const shown = Object.assign(document.createElement("pre"), { hidden: true, tabIndex: 0 });
    said.setAttribute("role", "status");
    el.append(button, said, shown);

    const show = () => {
      button.textContent = model.get("label");
      shown.textContent = model.get("is_link") ? whole(model.get("text")) : model.get("text");
      said.textContent = "";
      if (!model.get("text")) shown.hidden = true;
      button.disabled = !model.get("text");
    };
    button.addEventListener("click", async () => {
      shown.hidden = false;
      const copied = await toClipboard(shown.textContent, shown);
      said.textContent = copied ? model.get("words").done : model.get("words").failed;
    });
    model.on("change:text change:label", show);
    show();
  },
};
