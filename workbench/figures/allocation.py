"""Which value each layer was given, and why: a table, for an allocation has nothing to draw but its scan."""

from __future__ import annotations

from typing import NamedTuple

from ..core.knob import spelled
from ..core.records import Allocation


class AllocationView(NamedTuple):
    """head: the columns' names; rows: layer, value, why; sentence: what it costs in all, or ""."""

    head: tuple[str, str, str]
    rows: tuple[tuple[str, str, str], ...]
    sentence: str


def view(made: Allocation | None, *, images: int = 0, trains: bool = False) -> AllocationView:
    """images: how many it was measured on; trains: whether the recipe will train. None: nothing was chosen."""
    if made is None:
        return AllocationView(("", "", ""), (), "")
    kind = type(made.step.knobs[made.knob])
    rows = tuple((c.layer, "left alone" if c.value is None else spelled(kind(c.value)), c.reason) for c in made.choices)
    return AllocationView(("layer", made.knob.replace("_", " "), "why"), rows, _sentence(made, images, trains))


def _sentence(made: Allocation, images: int, trains: bool) -> str:
    each = f"Tolerated for each layer alone: {_amount(made.tolerance)}."
    if made.lost is None:
        return each
    now = "loses nothing" if made.lost <= 0 else f"loses {_amount(made.lost)}"
    when = ", before anything is trained" if trains else ""
    return f"{each} All together, the whole recipe {now}{when} (measured on the {images:,} validation images)."


def _amount(share: float) -> str:
    """A share as `1 point`, `0.28 points`."""
    number = f"{100 * share:.2g}"
    return f"{number} point" if number == "1" else f"{number} points"
