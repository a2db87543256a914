"""Distillation: softened answers, and what a student is told about them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.values import Array
from ..checker import Slip, Task
from ._drawn import Rng


def _softened(scores: Array, temperature: float) -> Array:
    raised = np.exp((scores - scores.max()) / temperature)
    shares: Array = raised / raised.sum()
    return shares


def _soft_loss(student: Array, teacher: Array, temperature: float) -> float:
    p, q = _softened(teacher, temperature), _softened(student, temperature)
    return float(temperature**2 * (p * np.log(p / q)).sum())


def _scores(rng: Rng) -> Array:
    return np.round(rng.normal(size=10) * 4, 3)


def _judge_temperature(arguments: tuple[Any, ...], answer: Any) -> str:
    scores, share = arguments
    if not isinstance(answer, int | float | np.floating) or not math.isfinite(answer) or answer <= 0:
        return f"it answered {answer!r}, which is no temperature"
    found = float(_softened(scores, float(answer)).max())
    return "" if abs(found - share) < 0.01 else f"at T = {answer:.3g} the top class has {found:.3f}, not {share:.3f}"


def _temperature(scores: Array, share: float) -> float:
    low, high = 0.01, 1000.0
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _softened(scores, middle).max() > share else (low, middle)
    return low


TASKS = (
    Task(
        "softened",
        _softened,
        lambda rng: (_scores(rng) + float(rng.choice([0, 3000])), float(rng.choice([0.5, 1, 2, 4, 8]))),
        (
            "Divide the scores by the temperature before exp.",
            "The shares have to add up to 1.",
            "Some scores here are in the thousands, where exp is infinite: take the largest score away first.",
        ),
        (
            Slip(lambda z, t: np.exp(z - z.max()) / np.exp(z - z.max()).sum(), "The temperature does nothing here."),
            Slip(
                lambda z, t: np.exp((z - z.max()) * t) / np.exp((z - z.max()) * t).sum(),
                "A higher temperature should make the answer softer; here it makes it harder.",
            ),
        ),
    ),
    Task(
        "soft_loss",
        _soft_loss,
        lambda rng: (_scores(rng), _scores(rng), float(rng.choice([1, 2, 4]))),
        (
            "Soften both with the same temperature, then add up p log(p / q); p is the teacher's.",
            "The natural logarithm, and the teacher in front: it is not symmetric.",
            "Softened gradients are smaller by T²; multiply the whole by T² to make up for it.",
        ),
        (
            Slip(
                lambda s, t, h: _soft_loss(s, t, h) / h**2,
                "Almost: gradients shrink with T². What makes up for it?",
            ),
            Slip(lambda s, t, h: _soft_loss(t, s, h), "Teacher and student have changed places."),
        ),
    ),
    Task(
        "temperature",
        _temperature,
        lambda rng: (_scores(rng), float(rng.choice([0.25, 0.3, 0.4]))),
        (
            "The share of the top class falls while the temperature rises. Which search does that allow?",
            "Halve an interval: start with 0.01 and 1000, look at the middle, keep the half that holds the answer.",
            "The middle of two temperatures is better taken as sqrt(low * high).",
        ),
        judge=_judge_temperature,
    ),
)
