"""A file that somebody hands over, with what it was made of and why: ready to be asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ..core.compressed import Compressed
from ..core.errors import FileError
from ..core.progress import Progress
from ..core.recipe import Recipe, from_json
from ..core.records import Decision
from ..networks.artifact import Loaded, load, unpack_model
from .pipeline import canonical, compress, trains
from .questions import Asked, Question, last
from .store import Store
from .subject import Subject, subject_named

UNKNOWN = "Why each unit went is not known here: the recipe trains, and its run is not in this machine's store."


@dataclass(frozen=True, eq=False)
class Opened:
    """loaded: what the file holds; asked: it, its dense network and its data; remark: what could not be found out."""

    loaded: Loaded
    asked: Asked
    model: Compressed
    remark: str = ""
    _answers: dict[Question, Any] = field(default_factory=dict, init=False, repr=False)

    def answer(self, question: Question, progress: Progress) -> Any:
        """The complete answer, worked out once. WorkbenchError, Cancelled."""
        if question not in self._answers:
            self._answers[question] = last(question.answers(self.asked, progress))
        return self._answers[question]


def opened(path: str | Path, *, code: str = "", store: Store | None = None, progress: Progress | None = None) -> Opened:
    """The network in a file beside the dense one it was made of.

    Decisions are those of its run in the store, or found by carrying the recipe out again where that trains nothing.
    code: `FILE.py:FACTORY` of a network of the user's own. FileError for a file that holds no network or no recipe.
    """
    return _opened(load(path, code=code), Path(path).read_bytes, str(path), store, progress or Progress())


def opened_bytes(data: bytes, *, store: Store | None = None, progress: Progress | None = None) -> Opened:
    """The same for a file that nobody wrote down."""
    return _opened(unpack_model(data), lambda: data, "The file", store, progress or Progress())


def _opened(loaded: Loaded, read: Callable[[], bytes], name: str, store: Store | None, progress: Progress) -> Opened:
    recipe = _recipe(name, loaded)
    subject = subject_named(recipe.network, recipe.dataset, progress)
    found, notes = _decisions(recipe, subject, store, progress)
    model = Compressed(loaded.network, dict(loaded.tensors), found or (), notes)
    remark = UNKNOWN if found is None and recipe.steps else ""
    return Opened(loaded, Asked(subject, recipe, lambda _progress: model, read), model, remark)


def _recipe(path: str, loaded: Loaded) -> Recipe:
    try:
        return canonical(from_json(msgspec.json.encode(loaded.header["recipe"]).decode(), Recipe))
    except KeyError:
        raise FileError(f"{path}: the file does not say from which recipe it was made.") from None


def _decisions(
    recipe: Recipe, subject: Subject, store: Store | None, progress: Progress
) -> tuple[tuple[Decision, ...] | None, tuple[str, ...]]:
    """(decisions, notes); None for decisions that cannot be known."""
    for split in ("validation", "test"):
        run = None if store is None else store.get(recipe, split, subject.fingerprint)
        if run is not None:
            return run.decisions, run.notes
    if any(map(trains, recipe.steps)):
        return None, ()
    again = compress(recipe, subject, progress=progress)
    return again.decisions, again.notes
