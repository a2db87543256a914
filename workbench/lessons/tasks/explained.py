"""Explain it: whether two maps agree, and whose answers were lost."""

from __future__ import annotations

import numpy as np

from ...core.values import Array
from ..checker import Slip, Task
from ._drawn import Rng


def _overlap(first: Array, second: Array, count: int) -> float:
    top = [set(np.argsort(-np.abs(m), axis=None)[:count].tolist()) for m in (first, second)]
    return len(top[0] & top[1]) / count


def _maps(rng: Rng) -> tuple[Array, Array, int]:
    first = rng.normal(size=(6, 6))
    return np.round(first, 5), np.round(first + rng.normal(size=(6, 6)), 5), int(rng.integers(5, 20))


def _broken(labels: Array, dense: Array, compressed: Array) -> int:
    return int(((dense == labels) & (compressed != labels)).sum())


def _answers(rng: Rng) -> tuple[Array, Array, Array]:
    labels = rng.integers(0, 4, 30)
    dense, compressed = (np.where(rng.random(30) < 0.7, labels, rng.integers(0, 4, 30)) for _ in range(2))
    return labels, dense, compressed


TASKS = (
    Task(
        "overlap",
        _overlap,
        _maps,
        (
            "np.argsort(-np.abs(m), axis=None)[:count] are the places of the strongest pixels.",
            "Make a set of each map's places; sets can be intersected with &.",
            "Divide how many places both have by count.",
        ),
        (
            Slip(
                lambda a, b, k: len(set(np.argsort(-a, axis=None)[:k]) & set(np.argsort(-b, axis=None)[:k])) / k,
                "Strong is strong on either side of zero: a pixel can speak loudly against a class.",
            ),
        ),
    ),
    Task(
        "broken",
        _broken,
        _answers,
        (
            "An image is broken when the dense network was right and the compressed one is not.",
            "Compare arrays with == and !=; join conditions with &.",
            "Count where (dense == labels) and (compressed != labels).",
        ),
        (
            Slip(
                lambda y, d, c: int((d == y).sum() - (c == y).sum()),
                "That is the difference of the two accuracies. Images that were mended hide some that broke.",
            ),
            Slip(lambda y, d, c: int((d != c).sum()), "These are all answers that changed, mended ones too."),
        ),
    ),
)
