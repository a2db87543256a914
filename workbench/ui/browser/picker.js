// A choice from groups, where what is off stays visible and says why.
function option({ id, text, off }) {
  const made = document.createElement("option");
  made.value = id;
  made.textContent = off ? `${text} (off: ${off})` : text;
  made.disabled = Boolean(off);
  if (off) made.title = off;
  return made;
}

function group({ title, options }) {
  const made = options.map(option);
  if (!title) return made;
  const box = document.createElement("optgroup");
  box.label = title;
  box.append(...made);
  return [box];
}



export default {
  render({ model, el }) {
    el.classList.add("wb-picker");
    const id = `wb-picker-${Math.random().toString(36).slice(2)}`;
    const label = Object.assign(document.createElement("label"), { htmlFor: id, className: "wb-picker-label" });
    const select = Object.assign(document.createElement("select"), { id });
    const help = Object.assign(document.createElement("div"), { id: `${id}-help`, className: "wb-help" });
    select.setAttribute("aria-describedby", help.id);
    el.append(label, select, help);

    const fill = () => {
      label.textContent = model.get("label");
      select.replaceChildren(...model.get("groups").flatMap(group));
      show();
    };
    const show = () => {
      select.value = model.get("value");
      help.textContent = model.get("help");
      help.title = model.get("source");
    };
    select.addEventListener("change", () => {
      model.set("value", select.value);
      model.save_changes();
    });
    model.on("change:groups change:label", fill);
    model.on("change:value change:help change:source", show);
    fill();
  },
};
