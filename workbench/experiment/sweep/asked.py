"""The recipes that somebody at a keyboard asks for: steps in their order, one of which is turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...core.errors import WorkbenchError
from ...core.recipe import Recipe
from ...methods import parse_step
from .axes import POINTS, Axis, axis, grid, parse_axis

_SEEDS = 2**31


class Turned(str):
    """The spelling of the step whose knobs are turned, among those of other steps."""


class Asked(NamedTuple):
    """As on the command line. points: of the method's own axis, 0 where `axes` say which knobs are turned."""

    steps: Sequence[str]
    points: int = 0
    axes: Sequence[str] = ()
    seeds: str = "0"


def recipes(network: str, dataset: str, asked: Asked) -> list[Recipe]:
    """Every recipe of the sweep; WorkbenchError for what cannot be read or is out of range."""
    turned = [i for i, text in enumerate(asked.steps) if isinstance(text, Turned)]
    if len(turned) != 1:
        raise WorkbenchError(f"sweep: exactly one --method is turned; got {len(turned)} (others are a --step).")
    own, steps = turned[0], tuple(map(parse_step, asked.steps))
    if asked.axes:
        axes = [parse_axis(text, steps, own) for text in asked.axes]
    else:
        knob, values = axis(steps[own].method, _points(asked.points))
        axes = [Axis(own, knob, tuple(values))]
    return grid(Recipe(network, dataset, steps), axes, _seeds(asked.seeds))


def _points(points: int) -> int:
    if not 0 <= points <= 1000:
        raise WorkbenchError(f"sweep: grid must be an integer in [1, 1000]; got {points}.")
    return points or POINTS


def _seeds(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isascii() and word.isdigit() and int(word) < _SEEDS for word in words):
        raise WorkbenchError(f"sweep: seeds are integers of at least 0 between commas; got {text!r}.")
    return list(dict.fromkeys(map(int, words)))
