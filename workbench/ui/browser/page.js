// What the page needs around the widgets: names for sliders, a live status, and a banner when Python is gone.
const CONTROLS = ".noUi-handle, .wb-knobs select, .wb-knobs input[type=checkbox]";

function nameOf(control) {
  const row = control.closest(".widget-inline-hbox");
  // A checkbox has its own label beside it, and here a space of no width that would take its place.
  return row?.querySelector(".widget-label")?.textContent.replaceAll("\u200b", "").trim() || "";
}

function label(root) {
  for (const control of root.querySelectorAll(CONTROLS)) {
    const name = nameOf(control);
    if (name && control.getAttribute("aria-label") !== name) control.setAttribute("aria-label", name);
  }
  for (const part of root.querySelectorAll(".wb-app .wb-locked, .wb-app [inert]")) {
    part.inert = part.classList.contains("wb-locked");
  }
  for (const status of root.querySelectorAll(".wb-live:not([role])")) {
    status.setAttribute("role", "status");
    status.setAttribute("aria-live", "polite");
  }
}

function banner(el, text) {
  const box = el.appendChild(document.createElement("div"));
  box.className = "wb-banner";
  box.setAttribute("role", "alert");
  const reload = Object.assign(document.createElement("button"), { className: "wb-button", textContent: "Reload" });
  reload.addEventListener("click", () => location.reload());
  box.append(text, " ", reload);
  box.hidden = true;
  return box;
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

export default {
  render({ model, el }) {
    const gone = banner(el, model.get("gone"));
    let heard = Date.now();
    let dead = false;
    const forget = whenDead(model, () => {
      dead = true;
      gone.hidden = false;
    });
    const hear = (message) => {
      if (message.kind === "pong") heard = Date.now();
    };
    const beat = () => {
      if (document.hidden) heard = Date.now(); // browsers slow a hidden page down
      gone.hidden = !dead && Date.now() - heard < model.get("patience_ms");
      try {
        model.send({ kind: "ping" });
      } catch {
        gone.hidden = false;
      }
    };
    model.on("msg:custom", hear);
    const timer = setInterval(beat, model.get("interval_ms"));
    let waiting = 0;
    const watch = new MutationObserver(() => {
      clearTimeout(waiting);
      waiting = setTimeout(() => label(document), 50);
    });
    watch.observe(document.body, { childList: true, subtree: true });
    label(document);
    return () => {
      clearInterval(timer);
      forget();
      watch.disconnect();
      model.off("msg:custom", hear);
    };
  },
};
