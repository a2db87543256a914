"""The files that a page hands out beside the artifact: made by the worker, with progress, until somebody cancels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from ..core.compressed import Compressed
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.records import Run
from ..experiment.opened import Opened
from ..experiment.questions import Asked, Question
from ..export import FORMATS, export_network
from ..networks.artifact import unpack_model
from .widgets import DownloadButton

REPORT = "report"
KINDS = {
    "onnx": ("ONNX", "For other runtimes, quantized weights as bytes; compared with torch before it is handed out"),
    "onnx-float": ("ONNX in floats", "For runtimes that know no integers; every weight takes four bytes"),
    "safetensors": ("safetensors", "The weights as plain floats, for programs that know the format"),
    REPORT: ("Report (HTML)", "What was removed, why, what it cost and whom, on one page that needs no network"),
}
"""Kind of file -> what its button says, and what it is for."""
LACKING = "There is no file yet of what is chosen; wait until it is measured."


class File(NamedTuple):
    """kind: among KINDS; suffix: of its name; said: what is known about it, in sentences."""

    kind: str
    suffix: str
    data: bytes
    said: tuple[str, ...]


@dataclass(frozen=True)
class FileQuestion(Question):
    """The measured network as a file of another kind. run: what was measured; its decisions go into the report."""

    format: str
    run: Run = field(compare=False)
    kind: ClassVar[str] = "file"
    kept: ClassVar[bool] = False

    def answers(self, asked: Asked, progress: Progress) -> Iterator[File]:
        data = asked.file()
        if data is None:
            raise WorkbenchError(LACKING)
        if self.format == REPORT:
            yield _report(asked, data, self.run, progress)
            return
        made = export_network(unpack_model(data), self.format, dataset=asked.subject.dataset, progress=progress)
        tail = "-float" if self.format == "onnx-float" else ""
        yield File(self.format, tail + FORMATS[self.format].suffix, made.data, made.record.notes)


def why_not(kind: str, run: Run | None) -> str:
    """Why a file of this kind cannot be made now, as a sentence, or ""."""
    refused = "" if kind == REPORT else FORMATS[kind].refuses()
    if refused:
        return f"{KINDS[kind][0]} is off: {refused}."
    return LACKING if run is None else ""


def _report(asked: Asked, data: bytes, run: Run, progress: Progress) -> File:
    from ..report.explained import explained  # most visitors never ask for it

    loaded = unpack_model(data)
    model = Compressed(loaded.network, dict(loaded.tensors), run.decisions, run.notes)
    asked = Asked(asked.subject, asked.recipe, lambda _progress: model, lambda: data)
    page = explained(Opened(loaded, asked, model), progress=progress).encode()
    return File(REPORT, "-report.html", page, (f"{len(page):,} bytes; opens in any browser.",))


class FileButton(DownloadButton):
    """Asks for a file when it is clicked; `hand` sends it to the browser once it is made."""

    def __init__(self, ask: Callable[[], None]) -> None:
        def fetch() -> None:
            ask()

        super().__init__(fetch)

    def hand(self, name: str, data: bytes) -> None:
        self.send({"kind": "file", "name": name}, buffers=[data])
