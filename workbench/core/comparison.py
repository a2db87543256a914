"""What a comparison of compressed networks says: plain data, each number with its 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """A number with the ends of its 95 % interval, or None three times and the reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True)
class ComparedPoint:
    """One setting. runs: how many seeds `file_bytes` and `accuracy` (in [0, 1]) are the means of."""

    label: str
    file_bytes: float
    accuracy: float
    low: float
    high: float
    runs: int
    best: bool = False


@dataclass(frozen=True)
class Curve:
    """The settings of one sequence of methods, ascending in bytes; `best` marks those that no other of it beats."""

    name: str
    methods: tuple[str, ...]
    points: tuple[ComparedPoint, ...]


@dataclass(frozen=True)
class Row:
    """One question asked of every curve: what accuracy at most so many bytes buy, or the bytes for an accuracy."""

    question: str
    at: float
    answers: dict[str, Bound]


@dataclass(frozen=True)
class Comparison:
    """Curves measured on the same images.

    frontier: (curve name, bytes, accuracy) of the settings that no other beats, ascending in both. baseline: the
    curve that `rate` and `gain` compare with. rate: mean difference in bytes at equal accuracy, -0.2 for 20 % fewer
    (Bjontegaard 2001). gain: mean difference in accuracy at equal bytes. area: mean accuracy over the logarithm of
    the bytes that all curves cover.
    """

    dataset: str
    split: str
    images: int
    dense_bytes: int
    dense_accuracy: float | None
    curves: tuple[Curve, ...]
    frontier: tuple[tuple[str, float, float], ...]
    at_bytes: tuple[Row, ...]
    at_accuracy: tuple[Row, ...]
    baseline: str
    rate: dict[str, Bound]
    gain: dict[str, Bound]
    area: dict[str, Bound]
