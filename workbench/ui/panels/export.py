"""Take it with you: the file, the same experiment as code, and the number to report."""

from __future__ import annotations

import ipywidgets as w

from ..engine import Engine
from ..guard import guard, watch
from ..snippets import as_command, as_python
from ..state import State
from ..widgets import CopyButton, DownloadButton


def panel(state: State, engine: Engine) -> w.VBox:
    """Download, two texts to copy, and the measurement on test data."""
    download = DownloadButton(engine.file)
    python, command = CopyButton(label="Copy as Python"), CopyButton(label="Copy as command")
    test = w.Button(description="Measure on test data", tooltip="The number to report; never choose a setting by it")
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
    return w.Box([w.HTML("<h2>Take it with you</h2>"), download, test, python, command]).add_class("wb-export")
