"""What a teacher says besides its answer, and what a student made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .paired import Pairs
from .values import Array


def softened(logits: Array, temperature: float) -> Array:
    """softmax(logits / temperature). logits: (n, classes) -> the same shape, rows that sum to 1."""
    z = np.asarray(logits, float) / temperature
    e = np.exp(z - z.max(1, keepdims=True))
    found: Array = e / e.sum(1, keepdims=True)
    return found


def entropy_bits(p: Array) -> Array:
    """How undecided each row is: 0 bits for one sure class, log2(classes) for all alike. p: (n, classes) -> (n,)."""
    found: Array = -(p * np.log2(np.maximum(p, 1e-300))).sum(1)
    return found


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """The dense network's scores, from which its soft targets follow at any temperature.

    indices, labels: (n,) of the split's images; logits: (n, classes). pictures: of those that may be shown.
    """

    split: str
    indices: Array
    labels: Array
    logits: Array
    pictures: Mapping[int, Array] = field(default_factory=dict)

    def at(self, temperature: float) -> Array:
        """(n, classes) probabilities."""
        return softened(self.logits, temperature)

    def second(self, temperature: float) -> Array:
        """(n,) what the second-best class is given: most of what the answer alone does not tell."""
        found: Array = np.sort(self.at(temperature), axis=1)[:, -2]
        return found


@dataclass(frozen=True)
class TaughtImage:
    """One image: the probability of the true class from the teacher, and from the student taught in two ways."""

    index: int
    label: int
    teacher: float
    labels_only: float
    with_teacher: float
    answers: tuple[int, int, int]

    @property
    def change(self) -> float:
        """What the teacher's soft targets added to the true class."""
        return self.with_teacher - self.labels_only


@dataclass(frozen=True, eq=False)
class Taught:
    """The same student, same seed and epochs, taught by labels alone and by soft targets too.

    pairs: from labels alone to with the teacher. images: largest change first. divergence: mean Kullback-Leibler
    divergence from the teacher's softened answers, in bits, of the student by labels alone and with the teacher.
    """

    split: str
    n: int
    temperature: float
    weight: float
    pairs: Pairs
    divergence: tuple[float, float]
    images: tuple[TaughtImage, ...]
    pictures: Mapping[int, Array] = field(default_factory=dict)
