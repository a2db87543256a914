// What the page needs around the widgets: names for sliders, a live status, and locks that hold.
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
  for (const part of root.querySelectorAll(".wb-app .wb-locked, .wb-app .wb-held > [inert]")) {
    part.inert = part.classList.contains("wb-locked");
  }
  for (const status of root.querySelectorAll(".wb-live:not([role])")) {
    status.setAttribute("role", "status");
    status.setAttribute("aria-live", "polite");
  }
}

export default {
  render() {
    let waiting = 0;
    const watch = new MutationObserver(() => {
      clearTimeout(waiting);
      waiting = setTimeout(() => label(document), 50);
    });
    watch.observe(document.body, { childList: true, subtree: true });
    label(document);
    return () => watch.disconnect();
  },
};
