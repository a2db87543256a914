// The language of the page for readers and browsers, and a menu that opens the page in another.
const make = (kind, traits) => Object.assign(document.createElement(kind), traits);

function open(name, language, usual) {
  const url = new URL(location.href);
  if (language === usual) url.searchParams.delete(name);
  else url.searchParams.set(name, language);
  location.assign(url); // the rest of the address has what is chosen
}

function menu(model) {
  const label = make("label", { className: "wb-theme", textContent: `${model.get("label")} ` });
  const select = make("select");
  for (const [value, textContent] of Object.entries(model.get("languages"))) {
    select.append(make("option", { value, textContent, lang: value }));
  }
  select.value = model.get("value");
  select.addEventListener("change", () => open(model.get("name"), select.value, model.get("usual")));
  label.append(select);
  return label;
}

export default {
  render({ model, el }) {
    const mark = () => el.closest(".wb-app")?.setAttribute("lang", model.get("value"));
    requestAnimationFrame(mark); // the page around it is there a moment later
    mark();
    if (document.querySelector(".jp-NotebookPanel")) return; // the address is the notebook's
    document.documentElement.lang = model.get("value");
    el.classList.add("wb-language");
    el.append(menu(model));
  },
};
