"""Which value each layer was given, and why: a table, for an allocation has nothing to draw but its scan."""

from __future__ import annotations

from typing import NamedTuple

from ..core.knob import spelled
from ..core.records import Allocation
from .theme import points


class AllocationView(NamedTuple):
    """head: the columns' names; rows: layer, value, why; sentence: what it costs in all, or ""."""

    head: tuple[str, str, str]
    rows: tuple[tuple[str, str, str], ...]
    sentence: str


def view(made: Allocation | None, *, images: int = 0) -> AllocationView:
    """images: how many it was measured on. None: nothing was chosen yet."""
    if made is None:
        return AllocationView(("", "", ""), (), "")
    kind = type(made.step.knobs[made.knob])
    rows = tuple((c.layer, "left alone" if c.value is None else spelled(kind(c.value)), c.reason) for c in made.choices)
    return AllocationView(("layer", made.knob.replace("_", " "), "why"), rows, _sentence(made, images))


def _sentence(made: Allocation, images: int) -> str:
    each = f"Tolerated for each layer alone: {100 * made.tolerance:.2g} points. "
    if made.lost is None:
        return each.rstrip()
    trained = " before its steps train" if made.step.knobs.get("epochs") else ""
    now = "loses nothing" if made.lost <= 0 else f"loses {points(-made.lost).lstrip('−')}"
    return f"{each}All together, the whole recipe {now}{trained} (measured on the {images:,} validation images)."
