// Listens whether Python is still there. Once it is not, the page says so, also where it would say that it is ready, and
// switches off what only Python can answer. When Python answers after all, everything is as it was.
const CONTROLS = ".wb-app :is(button, select, input, textarea, .noUi-target)";
const ALONE = ".wb-access, .wb-language, .wb-copy, .wb-banner"; // these do without Python
const SAYING = ".wb-status .wb-doing .widget-html-content, .wb-spoken .widget-html-content";

function banner(el, text) {
  const box = el.appendChild(document.createElement("div"));
  box.className = "wb-banner";
  box.setAttribute("role", "alert");
  box.hidden = true;
  const words = document.createElement("span");
  const reload = Object.assign(document.createElement("button"), { className: "wb-button", textContent: text });
  reload.addEventListener("click", () => location.reload());
  box.append(words, " ", reload);
  return { box, words, reload };
}

// The server says at once that a kernel has died; without its word, silence does.
function whenDead(model, act) {
  const kernel = model.widget_manager?.kernel;
  const heard = (_, status) => {
    if (["dead", "restarting", "autorestarting"].includes(status)) act();
  };
  kernel?.statusChanged?.connect(heard);
  return () => kernel?.statusChanged?.disconnect(heard);
}

// Whether somebody answers at the page's own address; what does not matter.
async function serves() {
  try {
    await fetch(`${document.body.dataset.baseUrl}static/none`, { cache: "no-store" });
    return true;
  } catch {
    return false;
  }
}

// The parts of the page that are changed while Python is away, and how they were.
function parts(place) {
  const off = new Set();
  const said = new Map();
  let focus = null;
  return {
    cut(text) {
      focus ??= document.activeElement;
      place.querySelectorAll(".wb-app").forEach((app) => app.classList.add("wb-cut"));
      for (const control of place.querySelectorAll(CONTROLS)) {
        if (control.inert || control.closest(ALONE)) continue;
        control.inert = true;
        off.add(control);
      }
      for (const line of place.querySelectorAll(SAYING)) {
        if (line.textContent === text) continue;
        if (!said.has(line)) said.set(line, line.innerHTML);
        line.textContent = text;
      }
    },
    heal() {
      place.querySelectorAll(".wb-app").forEach((app) => app.classList.remove("wb-cut"));
      for (const control of off) control.inert = false;
      for (const [line, html] of said) line.innerHTML = html;
      if (document.activeElement === document.body) focus?.focus?.();
      off.clear();
      said.clear();
      focus = null;
    },
  };
}

export default {
  render({ model, el }) {
    const notebook = el.closest(".jp-NotebookPanel");
    const shown = banner(el, model.get("reload"));
    const page = parts(notebook || document);
    let heard = Date.now();
    let beaten = Date.now();
    let dead = false;
    let away = false;
    let mute = false;
    let cut = "";
    const show = () => {
      const late = mute || Date.now() - heard >= model.get("patience_ms");
      const now = away ? "away" : dead ? "ended" : late ? "silent" : "";
      const state = now && notebook ? "notebook" : now;
      if (!state) {
        if (cut) page.heal();
      } else {
        const [words, status] = model.get("words")[state];
        page.cut(status);
        if (state !== cut) shown.words.textContent = words;
      }
      cut = state;
      shown.reload.hidden = state === "notebook";
      shown.reload.disabled = state === "away";
      shown.box.hidden = !state;
    };
    const forget = whenDead(model, () => {
      dead = true;
      show();
    });
    const hear = (message) => {
      if (message.kind !== "pong") return;
      heard = Date.now();
      if (cut) show();
    };
    const ask = async () => {
      if (notebook || (!cut && Date.now() - heard < 1.5 * model.get("interval_ms"))) return;
      away = !(await serves());
      show();
    };
    const beat = () => {
      const now = Date.now();
      // browsers slow a hidden page down, and a computer that slept has heard nothing
      if (document.hidden || now - beaten > 3 * model.get("interval_ms")) heard = now;
      beaten = now;
      try {
        model.send({ kind: "ping" });
        mute = false;
      } catch {
        mute = true;
      }
      show();
      ask();
    };
    model.on("msg:custom", hear);
    const timer = setInterval(beat, model.get("interval_ms"));
    return () => {
      clearInterval(timer);
      forget();
      model.off("msg:custom", hear);
    };
  },
};
