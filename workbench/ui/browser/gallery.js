// Small pictures that can be picked, each a button with a few words; pictures change only where they are others.
function tile({ key, source, lines, alt, mark }, pick) {
  const made = document.createElement("button");
  made.className = `wb-tile-pick wb-mark-${mark || "none"}`;
  made.dataset.key = String(key);
  const image = Object.assign(document.createElement("img"), { src: source, alt });
  const words = document.createElement("span");
  for (const line of lines) words.append(Object.assign(document.createElement("span"), { textContent: line }));
  made.append(image, words);
  made.addEventListener("click", () => pick(key));
  return made;
}

export default {
  render({ model, el }) {
    el.classList.add("wb-gallery");
    el.setAttribute("role", "group");
    const pick = (key) => model.send({ kind: "pick", key });

    const fill = () => {
      const focused = el.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
      el.setAttribute("aria-label", model.get("label"));
      el.replaceChildren(...model.get("tiles").map((each) => tile(each, pick)));
      if (focused !== undefined) el.querySelector(`[data-key="${focused}"]`)?.focus();
      show();
    };
    const show = () => {
      for (const each of el.children) each.setAttribute("aria-pressed", String(Number(each.dataset.key) === model.get("selected")));
    };
    model.on("change:tiles change:label", fill);
    model.on("change:selected", show);
    fill();
  },
};
