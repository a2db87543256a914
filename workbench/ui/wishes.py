"""What a person wishes, as it is typed: a field for each limit of a budget, in the units that people use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..core.budget import Budget, Limit, parse_budget
from ..core.errors import WorkbenchError
from ..core.knob import Knob


class Field(NamedTuple):
    """One limit. size: of one unit in that of the budget; most: what may be typed."""

    measure: str
    label: str
    size: float
    most: float
    example: str


FIELDS = (
    Field("bytes", "Size of the file, at most (kB)", 1e3, 1e9, "30"),
    Field("accuracy_drop", "Accuracy lost, at most (points)", 0.01, 100.0, "1"),
    Field("macs", "Multiply-adds, at most (million)", 1e6, 1e9, "5"),
)


TRIALS = Knob(20, "settings that a search measures", low=1, high=200)
LOSS = Knob(
    1.0, "points of accuracy that may be lost: 1 point is 1 image in 100", low=0.0, high=20.0, step=0.1, unit="points"
)


def budget_of(texts: Mapping[str, str]) -> str:
    """The budget of what stands in the fields, by measure, "" where all are empty; WorkbenchError names the field."""
    limits = tuple(Limit(f.measure, _number(f, texts[f.measure])) for f in FIELDS if texts.get(f.measure, "").strip())
    return str(parse_budget(str(Budget(limits)))) if limits else ""


def texts_of(budget: str) -> dict[str, str]:
    """What the fields say of a budget, "" for what it does not limit."""
    values = {limit.measure: limit.value for limit in parse_budget(budget).limits} if budget else {}
    return {f.measure: f"{values[f.measure] / f.size:.6g}" if f.measure in values else "" for f in FIELDS}


def _number(field: Field, text: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = float("nan")
    lowest = 0.0 if field.measure == "accuracy_drop" else 1e-6
    if not lowest <= value <= field.most:
        least = "from 0" if lowest == 0.0 else "above 0"
        raise WorkbenchError(
            f"{field.label}: type a number {least} and up to {field.most:g}, such as {field.example}; "
            f"got {text.strip()[:40]!r}."
        )
    return float(f"{value * field.size:.12g}")
