// What the page needs around the widgets: names for sliders, a live status, locks that hold, and what was unfolded.
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

const TEXT = ".widget-html-content";

/** Every fold in a text, by its title and how many of this title came before. */
function* folds(text) {
  const seen = {};
  for (const fold of text.querySelectorAll("details")) {
    const title = fold.querySelector("summary")?.textContent ?? "";
    seen[title] = (seen[title] ?? 0) + 1;
    yield [`${seen[title]} ${title}`, fold];
  }
}

/** A text that is written anew keeps what a person has unfolded in it, and the place of their keyboard. */
function keepUnfolded() {
  const open = new WeakMap(); // text -> names of folds
  let last = {};

  // Not the toggle event: it comes later, when the fold may have been written anew already.
  function clicked({ target }) {
    const fold = target.closest?.("summary")?.parentElement;
    const text = fold?.closest(TEXT);
    const name = text && [...folds(text)].find(([, other]) => other === fold)?.[0];
    if (!name) return;
    const names = open.get(text) ?? new Set();
    if (fold.open) names.delete(name);
    else names.add(name);
    open.set(text, names);
  }

  function focused({ target }) {
    const text = target.localName === "summary" && target.closest(TEXT);
    last = text ? { text, name: [...folds(text)].find(([, fold]) => fold === target.parentElement)?.[0] } : {};
  }

  function written(changes) {
    for (const text of new Set(changes.map((change) => change.target))) {
      const names = open.get(text);
      if (!names && last.text !== text) continue;
      const lost = last.text === text && document.activeElement === document.body;
      for (const [name, fold] of folds(text)) {
        if (names?.has(name)) fold.open = true;
        if (lost && name === last.name) fold.querySelector("summary").focus();
      }
    }
  }

  const watch = new MutationObserver(written);
  watch.observe(document.body, { childList: true, subtree: true });
  document.addEventListener("click", clicked);
  document.addEventListener("focusin", focused);
  return () => {
    watch.disconnect();
    document.removeEventListener("click", clicked);
    document.removeEventListener("focusin", focused);
  };
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
    const forget = keepUnfolded();
    return () => {
      forget();
      watch.disconnect();
    };
  },
};
