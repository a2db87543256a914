"""Sentences about what did not happen as asked: one for all layers that share a reason."""

from __future__ import annotations

import re

_LEFT = re.compile(r"(\S+) left (.+?) whole: (.+)")


def with_note(notes: tuple[str, ...], sentence: str) -> tuple[str, ...]:
    """`notes` and one more; `ID left LAYERS whole: reason.` joins the sentence that says so of other layers."""
    new = _LEFT.fullmatch(sentence)
    for i, old in enumerate(notes if new else ()):
        known = _LEFT.fullmatch(old)
        if new and known and known.group(1, 3) == new.group(1, 3):
            layers = dict.fromkeys([*known.group(2).split(", "), *new.group(2).split(", ")])
            joined = f"{new.group(1)} left {', '.join(layers)} whole: {new.group(3)}"
            return (*notes[:i], joined, *notes[i + 1 :])
    return (*notes, sentence)


def about(layer: str, notes: tuple[str, ...]) -> str:
    """Those of the notes that name the layer, as one text."""
    name = re.compile(rf"(?<![\w.]){re.escape(layer)}(?![\w]|\.\w)")
    return " ".join(note for note in notes if name.search(note))
