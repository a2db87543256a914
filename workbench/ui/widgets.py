"""The widgets that ipywidgets lacks, and one that says what was wrong with a message from the browser.

Everything a browser sends is checked here or by a knob: visitors can write to any synced trait of any widget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as w
import traitlets as t

from .choices import Group
from .language import say
from .spoken import Spoken

BROWSER = Path(__file__).parent / "browser"
Refuse = Callable[[str], None]


def _unheard(_sentence: str) -> None:
    """Nobody listens yet."""


class Checked(Spoken):
    """Mixin: a message of the wrong kind becomes one sentence for `refuse` and changes nothing."""

    refuse: Refuse = staticmethod(_unheard)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        try:
            super().set_state(sync_data)
        except (t.TraitError, TypeError, ValueError, KeyError, AttributeError, OverflowError):
            self.refuse("The page sent a value that this control does not take; nothing was changed.")


class Slider(Checked, w.FloatSlider):
    """A number."""


class WholeSlider(Checked, w.IntSlider):
    """A whole number."""


class LogSlider(Checked, w.FloatLogSlider):
    """A number in equal factors."""


class Tick(Checked, w.Checkbox):
    """Yes or no."""


class Line(Checked, w.Text):
    """A line of text."""


class Number(Checked, anywidget.AnyWidget):
    """A field that shows where `slider` stands and takes a number that is typed.

    typed(text) is called with every text that is committed; what it answers is shown below the field, "" as nothing.
    The browser follows the slider by itself, so that dragging sends no more than the slider does.
    """

    _esm = BROWSER / "number.js"
    label = t.Unicode().tag(sync=True)
    slider = t.Instance(w.Widget).tag(sync=True, **w.widget_serialization)

    def __init__(self, slider: w.Widget, label: str, typed: Callable[[str], str]) -> None:
        super().__init__(slider=slider, label=label)
        self._typed = typed
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        text = content.get("typed") if isinstance(content, dict) else None
        if isinstance(text, str):
            self.send({"problem": say(self._typed(text))})


class Menu(Checked, w.Dropdown):
    """One of a few words."""


class Toggle(Checked, w.ToggleButtons):
    """One of a few buttons, which the keyboard reaches."""


class Picker(Checked, anywidget.AnyWidget):
    """A labelled menu of groups whose unavailable entries stay visible with the reason. `value` is an option's id.

    `pick(id)` is called when the person picks an entry that is on; anything else goes to `refuse`.
    """

    _esm = BROWSER / "picker.js"
    label = t.Unicode().tag(sync=True)
    help = t.Unicode().tag(sync=True)
    source = t.Unicode(help="where it comes from, for who points at the help").tag(sync=True)
    value = t.Unicode().tag(sync=True)
    groups: t.List[Any] = t.List().tag(sync=True)
    pick: Callable[[str], None] = staticmethod(_unheard)
    _offered: tuple[str, frozenset[str]] = ("", frozenset())

    def offer(self, groups: Sequence[Group], value: str, help: str = "", source: str = "") -> None:
        """Show these choices with `value` picked."""
        plain = [{"title": g.title, "options": [o._asdict() for o in g.options]} for g in groups]
        self._offered = value, frozenset(o.id for g in groups for o in g.options if not o.off)
        with self.hold_sync():
            self.groups, self.value, self.help, self.source = plain, value, help, source

    @t.observe("value")
    def _picked(self, change: dict[str, str]) -> None:
        now, on = self._offered
        if change["new"] in on and change["new"] != now:
            self.pick(change["new"])
        elif change["new"] != now:
            self.refuse(f"{self.label}: there is no {change['new'][:40]!r} to pick here.")
            self.value = now


class CopyButton(Checked, anywidget.AnyWidget):
    """Copies `text` and shows it below. is_link: it comes behind the address of the page, which the browser knows."""

    _esm = BROWSER / "copy.js"
    label = t.Unicode().tag(sync=True)
    text = t.Unicode().tag(sync=True)
    is_link = t.Bool(False).tag(sync=True)
    words = t.Dict({"done": "Copied.", "failed": "Select the text below and copy it."}).tag(sync=True)


class Address(Checked, anywidget.AnyWidget):
    """Keeps the page's address at `query`, outside of notebooks."""

    _esm = BROWSER / "link.js"
    query = t.Unicode().tag(sync=True)


class Keys(Checked, anywidget.AnyWidget):
    """Calls `undo` and `redo` when their keys are pressed outside of a field."""

    _esm = BROWSER / "keys.js"

    def __init__(self, undo: Callable[[], None], redo: Callable[[], None]) -> None:
        super().__init__()
        self._acts = {"undo": undo, "redo": redo}
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        if isinstance(kind, str) and kind in self._acts:
            self._acts[kind]()


class LessonTicks(Checked, anywidget.AnyWidget):
    """A row for each control, with a tick for `locked` and one for `hidden`; ticked(name, column, on) hears of each."""

    _esm = BROWSER / "lesson.js"
    heads = t.List(["Control", "Off", "Hidden"]).tag(sync=True)
    rows: t.List[Any] = t.List().tag(sync=True)
    said = frozenset({"rows"})

    def __init__(self, ticked: Callable[[str, str, bool], None]) -> None:
        super().__init__()
        self._ticked = ticked
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        if not isinstance(content, dict) or content.get("kind") != "tick":
            return
        name, column, on = content.get("name"), content.get("column"), content.get("on")
        if column in ("locked", "hidden") and isinstance(on, bool) and name in [row["name"] for row in self.rows]:
            self._ticked(str(name), column, on)


class DownloadButton(Checked, anywidget.AnyWidget):
    """Sends a file when it is clicked. fetch() -> (name, bytes), or None when there is none."""

    _esm = BROWSER / "download.js"
    label = t.Unicode().tag(sync=True)
    help = t.Unicode().tag(sync=True)
    ready = t.Bool(False).tag(sync=True)

    def __init__(self, fetch: Callable[[], tuple[str, bytes] | None]) -> None:
        super().__init__()
        self._fetch = fetch
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        if content == {"kind": "want"} and (found := self._fetch()):
            self.send({"kind": "file", "name": found[0]}, buffers=[found[1]])


class Page(Checked, anywidget.AnyWidget):
    """Styles, names for assistive technology, and locks that hold."""

    _esm = BROWSER / "page.js"
    _css = BROWSER / "page.css"


KEPT = "Its address has your choice, and what was measured is kept."
CUT = {
    "silent": (
        f"Python does not answer any more. If this stays, reload the page. {KEPT}",
        "Waiting for Python: what needs it is switched off until it answers.",
    ),
    "ended": (
        f"Python has ended: nothing here works until you reload the page. {KEPT}",
        "Python has ended. Reload the page to go on where you were.",
    ),
    "away": (
        "The workbench cannot be reached: it was stopped, or the network is down. Start it again (workbench app), and "
        f"reload the page once the button is on. {KEPT}",
        "The workbench cannot be reached. Once it can, reload the page to go on where you were.",
    ),
    "notebook": (
        "Python has ended or was started anew. Run the cells again to go on; what was measured is kept.",
        "Python has ended. Run the cells again to go on.",
    ),
}
"""What happened -> the words of the banner, and those of the line that says what is being done."""


class Heartbeat(Checked, anywidget.AnyWidget):
    """A banner, and a page whose controls are off, once Python has ended or not answered for `patience_ms`."""

    _esm = BROWSER / "heartbeat.js"
    words = t.Dict(CUT).tag(sync=True)
    reload = t.Unicode("Reload").tag(sync=True)
    said = frozenset({"reload"})
    interval_ms = t.Int(4000).tag(sync=True)
    patience_ms = t.Int(12000).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        if content == {"kind": "ping"}:
            self.send({"kind": "pong"})


def close_all(widget: w.Widget) -> None:
    """Close a widget and everything in it; ipywidgets keeps each one alive until it is closed."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, w.Widget):
            part.close()
    widget.close()
