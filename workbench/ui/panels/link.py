"""Share what is chosen: a link that is kept in the address bar, and links that make a lesson of it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as w

from ...core.knob import knobs_of
from ...core.recipe import to_json
from ..debounce import Debounce, Timer
from ..guard import guard, watch
from ..history import CHOSEN
from ..language_menu import part_of_link
from ..link import MOST_REASON, Link, encoded, of_state
from ..locks import CONTROLS, HIDE_ONLY, KNOB, VIEW, titled
from ..snapshot import captured
from ..spoken import HTML, Button
from ..state import State
from ..widgets import Address, CopyButton, LessonTicks, Line

STILL_S = 0.3
LESSON = """A lesson link opens the page at what is chosen now. Tick what shall be off there, in sight with your
reason, and what shall not be on the page. The app opens without the link as well: this guides, it does not guard."""


def panel(
    state: State, views: dict[str, str], timer: Callable[[float, Callable[[], None]], Timer] | None = None
) -> w.VBox:
    """Two buttons, and what a teacher can tick. views: name -> title."""
    address, link = Address(), CopyButton(label="Copy link", is_link=True)
    recipe = CopyButton(label="Copy recipe")

    def write() -> None:
        """What makes no sense just now would be refused on opening: the last that did stays."""
        if state.recipe is not None:
            address.query = link.text = encoded(of_state(state)) + part_of_link()
            recipe.text = to_json(state.recipe, indent=2)

    soon = Debounce(guard(state, write), STILL_S, timer)
    state.observe(guard(state, lambda _change: soon()), [*CHOSEN, "locked", "hidden", "reason"])
    guard(state, write)()
    unfold, lesson = _lesson(state, views)
    row = w.Box([link, recipe, unfold]).add_class("wb-buttons")
    return w.VBox([address, row, lesson]).add_class("wb-share")


def _lesson(state: State, views: dict[str, str]) -> tuple[Button, w.VBox]:
    """A button that unfolds the teacher's table, and the table; in a lesson, one line that says that it is one."""
    ticks: dict[str, set[str]] = {"locked": set(), "hidden": set()}
    copy = CopyButton(label="Copy lesson link", is_link=True)
    reason = Line(placeholder="because we look at one thing at a time", description="Reason", continuous_update=False)
    reason.refuse = state.refuse

    def ticked(name: str, column: str, on: bool) -> None:
        (ticks[column].add if on else ticks[column].discard)(name)
        show()

    table = LessonTicks(guard(state, ticked))

    def show() -> None:
        names = _names(state, views)
        table.rows = [_row(name, views, ticks) for name in names]
        chosen = {column: tuple(n for n in names if n in on) for column, on in ticks.items()}
        said = reason.value[:MOST_REASON]
        asked = encoded(Link(captured(state), **chosen, reason=said)) + part_of_link()
        copy.text = asked if any(chosen.values()) else ""

    sheet = w.VBox([HTML(f"<p>{LESSON}</p>"), table, reason, copy])
    unfold, notice = Button(tooltip="For teachers: a link that opens this page with controls off"), HTML()

    def fold(away: bool) -> None:
        sheet.layout.display = "none" if away else ""
        unfold.description = "Make a lesson link" if away else "Close the lesson link"

    def tell() -> None:
        lesson = bool(state.locked or state.hidden)
        unfold.layout.display = "none" if lesson else ""
        notice.value = escape(_told(state)) if lesson else ""

    reason.observe(guard(state, lambda _change: show()), "value")
    unfold.on_click(guard(state, lambda _button: fold(sheet.layout.display == "")))
    fold(True)
    watch(state, show, *CHOSEN)
    watch(state, tell, "locked", "hidden", "reason")
    return unfold, w.VBox([notice.add_class("wb-live"), sheet]).add_class("wb-lesson")


def _names(state: State, views: dict[str, str]) -> list[str]:
    """Everything that can be ticked: the page's parts, the knobs of the steps, the views."""
    knobs = dict.fromkeys(knob for step in state.steps for knob in knobs_of(state.choices.methods[step.method]))
    return [*CONTROLS, *(KNOB + knob for knob in knobs), *(VIEW + view for view in views)]


def _row(name: str, views: dict[str, str], ticks: dict[str, set[str]]) -> dict[str, Any]:
    view = name.startswith(VIEW)
    title = f"View “{views[name.removeprefix(VIEW)]}”" if view else titled(name)
    title = f"Knob “{title.lower()}”" if name.startswith(KNOB) else title
    marks = {column: name in on for column, on in ticks.items()}
    return {"name": name, "title": title, "only_hidden": view or name in HIDE_ONLY, **marks}


def _told(state: State) -> str:
    off, why = ", ".join(map(titled, state.locked)), f"{state.reason[:1].upper()}{state.reason[1:]}"
    return f"This page is a lesson. {f'Off: {off}. ' if off else ''}{why}".strip()
