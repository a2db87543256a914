"""Take it with you: the file, the same for other programs, the report, the recipe, and the number to report."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from ...export import recipe_text
from ..engine import Engine
from ..files import KINDS, File, FileButton, FileQuestion, why_not
from ..guard import guard, watch
from ..snippets import as_command, as_python
from ..spoken import HTML, Button
from ..state import State
from ..widgets import CopyButton, DownloadButton

RECIPES = {"yaml": "Recipe (YAML)", "json": "Recipe (JSON)"}
HELP = "`workbench compress --recipe FILE` carries it out again"


def panel(state: State, engine: Engine) -> w.VBox:
    """Downloads, two texts to copy, and the measurement on test data."""
    download = DownloadButton(engine.file)
    python, command = CopyButton(label="Copy as Python"), CopyButton(label="Copy as command")
    test = Button(description="Measure on test data", tooltip="The number to report; never choose a setting by it")
    test.on_click(guard(state, lambda _button: engine.report()))

    def offer() -> None:
        download.ready = state.run is not None and engine.file() is not None
        size = f" ({state.run.measurement.file_bytes:,} bytes)" if state.run is not None else ""
        download.label = f"Download the file{size}"
        download.help = "The compressed network as one .wbz file" if download.ready else "Being measured"

    def spell() -> None:
        python.text = as_python(state.recipe) if state.recipe else ""
        command.text = as_command(state.recipe) if state.recipe else ""

    watch(state, offer, "run", "busy")
    watch(state, spell, "recipe")
    first = w.Box([HTML("<h2>Take it with you</h2>"), download, test, python, command]).add_class("wb-export")
    return w.VBox([first, _Others(state, engine).box])


class _Others:
    """Buttons for the files that take a moment to make, and for the recipe."""

    def __init__(self, state: State, engine: Engine) -> None:
        self._state, self._engine, self._making, self._said = state, engine, "", ""
        self._buttons = {kind: FileButton(guard(state, lambda kind=kind: self._ask(kind))) for kind in KINDS}
        recipes = [_recipe_button(state, engine, kind) for kind in RECIPES]
        self._why_not, self._told = HTML(), HTML().add_class("wb-live")
        row = w.Box([HTML("For other programs:"), *self._buttons.values(), *recipes])
        self.box = w.VBox([row.add_class("wb-buttons").add_class("wb-others"), self._why_not, self._told])
        watch(state, self._offer, "run", "recipe")
        state.observe(guard(state, self._arrived), "answers")
        state.observe(guard(state, self._over), ["busy", "error", "recipe"])

    def _ask(self, kind: str) -> None:
        if why := self._off(kind):
            self._said = why
        else:
            self._making, self._said = kind, ""
            self._state.forget(FileQuestion.kind)
            self._engine.ask(FileQuestion(kind, self._state.run))
        self._offer()

    def _off(self, kind: str) -> str:
        ready = self._state.run if self._engine.file() is not None else None
        return why_not(kind, ready)

    def _offer(self) -> None:
        for kind, button in self._buttons.items():
            name, button.help = KINDS[kind]
            button.label = f"Making {name} …" if kind == self._making else name
            button.ready = not self._making and not self._off(kind)
        reasons = dict.fromkeys(why for why in map(self._off, KINDS) if why)
        self._why_not.value = "".join(f'<div class="wb-help">{escape(why)}</div>' for why in reasons)
        self._told.value = f'<span class="wb-help">{escape(self._said)}</span>' if self._said else ""

    def _arrived(self, _change: object) -> None:
        found: File | None = self._state.answer(FileQuestion.kind)
        if found is None:
            return
        name = f"{self._engine.stem()}{found.suffix}"
        self._buttons[found.kind].hand(name, found.data)
        self._making, self._said = "", f"{name}: {' '.join(found.said)}"
        self._state.forget(FileQuestion.kind)
        self._offer()

    def _over(self, change: dict[str, object]) -> None:
        """It was cancelled, it failed, or something else is chosen now."""
        if change["name"] == "recipe":
            self._said = ""
        if self._making and not (change["name"] == "busy" and change["new"]):
            self._making = ""
        self._offer()


def _recipe_button(state: State, engine: Engine, kind: str) -> DownloadButton:
    """Written on the spot: a few lines of text."""

    def fetch() -> tuple[str, bytes] | None:
        recipe = state.recipe
        return None if recipe is None else (f"{engine.stem()}.{kind}", recipe_text(recipe, kind).encode())

    button = DownloadButton(fetch)
    button.label, button.help = RECIPES[kind], HELP

    def offer() -> None:
        button.ready = state.recipe is not None

    watch(state, offer, "recipe")
    return button
