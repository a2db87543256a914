// For who cannot see, does not point, or looks in the dark: skip links, themes, names and roles, and a voice.
const KEPT = "workbench-theme";
const THEMES = ["system", "light", "dark"];
const REST_MS = 900; // numbers that a hand is still changing are not read out
const CONTROLS = ".wb-app .noUi-handle, .wb-app select, .wb-app input, .wb-app textarea";
const PLACES = [".wb-side", ".wb-wide", ".wb-lower"];

const make = (kind, traits) => Object.assign(document.createElement(kind), traits);

function kept() {
  try {
    const found = localStorage.getItem(KEPT);
    return THEMES.includes(found) ? found : "system";
  } catch {
    return "system"; // a browser may refuse to keep anything
  }
}

function keep(theme) {
  try {
    localStorage.setItem(KEPT, theme);
  } catch {
    // it holds for this visit then
  }
}

function systemIsDark() {
  const { voila, jpThemeLight } = document.body.dataset;
  if (voila === undefined && jpThemeLight !== undefined) return jpThemeLight === "false"; // JupyterLab has its own
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function paint(theme) {
  const root = document.documentElement;
  const next = theme === "system" ? (systemIsDark() ? "dark" : "light") : theme;
  if (root.dataset.wbTheme === next) return;
  root.dataset.wbTheme = next;
  dispatchEvent(new Event("wb-theme"));
}

function themes(el, words) {
  const label = make("label", { className: "wb-theme", textContent: `${words.colours} ` });
  const select = make("select");
  for (const value of THEMES) select.append(make("option", { value, textContent: words[value] }));
  select.value = kept();
  const show = () => paint(select.value);
  select.addEventListener("change", () => {
    keep(select.value);
    show();
  });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", show);
  label.append(select);
  el.append(label);
  show();
  return () => system.removeEventListener("change", show);
}

function skip(el, text, place) {
  const link = make("a", { href: "#", className: "wb-skip", textContent: text });
  link.addEventListener("click", (event) => {
    event.preventDefault(); // the address is the link to what is chosen
    const target = document.querySelector(place);
    target?.setAttribute("tabindex", "-1");
    target?.focus();
  });
  el.append(link);
}

function nameOf(control) {
  const said = (part) => part?.textContent.replaceAll("\u200b", "").trim() || "";
  const own = [...(control.labels || [])].map(said).find(Boolean);
  return own || said(control.closest(".widget-inline-hbox")?.querySelector(".widget-label")) || control.title;
}

function set(part, name, value) {
  if (part.getAttribute(name) !== value) part.setAttribute(name, value);
}

function name(words) {
  for (const control of document.querySelectorAll(CONTROLS)) {
    const found = control.hasAttribute("aria-label") ? "" : nameOf(control);
    if (found) control.setAttribute("aria-label", found);
  }
  for (const group of document.querySelectorAll(".wb-app .widget-toggle-buttons")) {
    set(group, "role", "group");
    const title = group.querySelector(".widget-label")?.title; // where the tooltip of such a group goes
    if (title) set(group, "aria-label", title);
    for (const button of group.querySelectorAll("button")) {
      set(button, "aria-pressed", String(button.classList.contains("mod-active")));
    }
  }
  for (const bar of document.querySelectorAll(".wb-app .widget-hprogress")) set(bar, "aria-hidden", "true");
  for (const place of PLACES) {
    for (const part of document.querySelectorAll(place)) {
      set(part, "role", "region");
      set(part, "aria-label", words[place]);
    }
  }
}

function voice(el) {
  const region = make("div", { className: "wb-unseen wb-voice" });
  region.setAttribute("role", "status");
  el.append(region);
  let waiting = 0;
  let heard = "";
  return () => {
    const now = document.querySelector(".wb-spoken")?.textContent.trim() || "";
    if (now === heard) return;
    heard = now;
    clearTimeout(waiting);
    waiting = setTimeout(() => (region.textContent = now), REST_MS);
  };
}

export default {
  render({ model, el }) {
    const words = model.get("words");
    el.classList.add("wb-access");
    skip(el, words.numbers, ".wb-wide");
    skip(el, words.views, ".wb-lower");
    const forget = themes(el, words);
    const listen = voice(el);
    let due = 0;
    const all = () => {
      due = 0;
      name(words);
      listen();
    };
    const watch = new MutationObserver(() => (due ||= setTimeout(all, 50)));
    watch.observe(document.body, { childList: true, subtree: true, characterData: true, attributeFilter: ["class"] });
    all();
    return () => {
      forget();
      watch.disconnect();
    };
  },
};
