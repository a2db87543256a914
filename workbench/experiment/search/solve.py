"""Settings for a budget from what each layer alone can bear: an answer before anything is searched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from ...core.budget import Budget, Limit
from ...core.compressed import layers_of, weight_of
from ...core.context import Batch
from ...core.knob import Knob, Value
from ...core.progress import Progress
from ...core.recipe import Recipe
from ...core.records import Sensitivity, SensitivityPoint
from ...core.searched import Proposal
from ...measure.accuracy import accuracy
from ...measure.counts import dense_bytes, parameters
from ...measure.macs import macs, total_macs
from ...methods import method_of
from ...networks.artifact import estimate_model
from ..allocate import untrained
from ..pipeline import canonical, compress
from ..questions import SPLIT
from ..run import about
from ..subject import Subject
from .space import Free, Params, Space, apart

IMAGES = 512
"""Validation images that an estimate looks at."""
MILDEST, STRONGEST = 1e-3, 1.0
_TRIES = 6
_EXACT = 1e-9
_NEAR = 0.04
"""A cost this close below its limit is close enough."""
_FORESEEN = 0.01
"""Foreseen bytes are those of the file up to this share."""
_ON = 0.03
"""Of a knob's range, beyond the values of a ladder."""
_UNFORESEEN = ("latency_ms",)


@dataclass(frozen=True, eq=False)
class Ladder:
    """Settings by one number, the tolerance: how much accuracy the largest layer alone may lose in each step.

    scans: of each step of the space, or None. shares: layer -> its part of the tolerance, in (0, 1]: the square root
    of its size over that of the largest, for a layer that costs little has little to give.
    """

    space: Space
    scans: tuple[Sensitivity | None, ...]
    shares: Mapping[str, float]

    def at(self, tolerance: float) -> Params:
        """Every open value; those that no scan tells about are at their default."""
        return {free.name: self._value(free, tolerance) for free in self.space.free}

    def near(self, tolerance: float, factor: float) -> Space:
        """The space where layers' values lie as for a tolerance from a part of this one to a multiple, and a bit on."""
        mild, strong = self.at(max(tolerance / factor, MILDEST)), self.at(min(tolerance * factor, STRONGEST))
        ends = {}
        for free in self.space.free:
            if self._scan(free) is not None:
                low, high = free.spec.bounds
                on = 1.0 if free.spec.kind is int else _ON * (high - low)
                a, b = sorted((float(mild[free.name]), float(strong[free.name])))
                ends[free.name] = max(low, a - on), min(high, b + on)
        return self.space.narrowed(ends)

    def _scan(self, free: Free) -> Sensitivity | None:
        scan = self.scans[free.step]
        return scan if scan is not None and scan.knob == free.knob else None

    def _value(self, free: Free, tolerance: float) -> Value:
        scan = self._scan(free)
        if scan is None:
            return free.spec.default
        step = self.space.recipe.steps[free.step]
        names = [free.layer] if free.layer else apart(step, scan, self.shares)[1]
        grows = bool(method_of(step).grows)
        values = sorted(strongest(scan, x, tolerance * self.shares.get(x, 1.0), free.spec, grows) for x in names)
        value: Value = values[len(values) // 2]
        return value


def strongest(scan: Sensitivity, layer: str, tolerance: float, knob: Knob, grows: bool) -> float:
    """The strongest value at which the layer alone, and with all milder values, loses at most `tolerance`.

    Between two measured values of a knob that is no whole number the loss is taken to grow evenly. Where even the
    mildest loses more, that one. grows: whether bytes grow with the knob, so that its highest value is the mildest.
    A layer that the method leaves whole while others are dense, as one tied to them, says nothing of what it bears
    together with them: the mildest.
    """
    points = sorted((p for p in scan.points if p.layer == layer), key=lambda p: p.value, reverse=grows)
    if _untouched(scan, points):
        return knob.kind(points[0].value)  # type: ignore[no-any-return]
    lost = _rising(scan, points)
    held = sum(1 for loss in lost if loss <= tolerance + _EXACT)
    if held == 0 or held == len(points) or knob.kind is int:
        return knob.kind(points[max(held - 1, 0)].value)  # type: ignore[no-any-return]
    share = (tolerance - lost[held - 1]) / (lost[held] - lost[held - 1])
    a, b = points[held - 1].value, points[held].value
    return knob.kind(a + share * (b - a))  # type: ignore[no-any-return]


def _untouched(scan: Sensitivity, points: Sequence[SensitivityPoint]) -> bool:
    """Whether the network answers as the dense one at every value, to the last digit of its loss."""
    dense = scan.dense.correct, scan.dense.loss
    return scan.dense.loss is not None and all((p.accuracy.correct, p.accuracy.loss) == dense for p in points)


def _rising(scan: Sensitivity, points: Sequence[SensitivityPoint]) -> list[float]:
    """The most that is lost up to each point, at least 0."""
    found, most = [], 0.0
    for point in points:
        most = max(most, scan.dense.accuracy - point.accuracy.accuracy)
        found.append(most)
    return found


def ladder_of(space: Space, scans: Sequence[Sensitivity | None], sizes: Mapping[str, int]) -> Ladder:
    """sizes: what the budget's cost is per layer."""
    most = max(sizes.values(), default=1) or 1
    return Ladder(space, tuple(scans), {name: math.sqrt(max(size, 1) / most) for name, size in sizes.items()})


def sizes_of(subject: Subject, cost: str) -> dict[str, int]:
    """Layer -> multiply-accumulates, where those are the cost or the time they take, else weights."""
    if cost in ("macs", "latency_ms"):
        return macs(subject.network, subject.dataset.input_shape)
    return {x.name: weight_of(subject.network, x).numel() for x in layers_of(subject.network)}


def solve(ladder: Ladder, budget: Budget, subject: Subject, progress: Progress) -> tuple[float, Proposal]:
    """The mildest tolerance at which all costs are within the budget, and its settings; the strongest if none is.

    Where no cost has a limit, the strongest tolerance at which accuracy holds. Every try is compressed without
    training; bytes are foreseen and accuracy counted on some of the validation images. Raises Cancelled.
    """
    costs = [limit for limit in budget.costs if limit.measure not in _UNFORESEEN]
    if not costs and not budget.accuracies:
        return 0.01, foreseen(ladder, 0.01, budget, subject, progress)

    def enough(made: Proposal) -> bool:
        return all(_surely(x, made.figures) for x in costs) if costs else not budget.met(made.figures)

    low, high = MILDEST, STRONGEST
    tolerance, best = high, foreseen(ladder, high, budget, subject, progress.part(0.0, 1 / (_TRIES + 1)))
    if not enough(best):
        return tolerance, best
    for i in range(_TRIES):
        middle = low if i == 0 else math.sqrt(low * high)
        part = progress.part((i + 1) / (_TRIES + 1), (i + 2) / (_TRIES + 1))
        made = foreseen(ladder, middle, budget, subject, part)
        holds = enough(made)
        low, high = (low, middle) if holds else (middle, high)
        if holds == bool(costs) or (i == 0 and not costs):
            tolerance, best = middle, made
        if (i == 0 and holds) or (costs and holds and _close(costs[0].excess(made.figures[costs[0].measure]))):
            break
    return tolerance, best


def _surely(limit: Limit, figures: Mapping[str, float]) -> bool:
    """Whether the limit holds even where the file turns out as much longer as foreseen bytes may be wrong."""
    value = figures[limit.measure]
    spare = {"bytes": 1 + _FORESEEN, "compression_ratio": 1 - _FORESEEN}.get(limit.measure, 1.0)
    return limit.holds(value * spare)


def _close(excess: float) -> bool:
    return excess >= -_NEAR


def foreseen(ladder: Ladder, tolerance: float, budget: Budget, subject: Subject, progress: Progress) -> Proposal:
    """The settings at one tolerance with what they come to before anything is trained or written."""
    recipe = ladder.space.recipe_of(ladder.at(tolerance))
    figures = figures_before(recipe, subject, progress)
    source = f"from each layer's sensitivity, compressed without training, {IMAGES} validation images at most"
    return Proposal(recipe, figures, budget.met(figures), source)


def figures_before(recipe: Recipe, subject: Subject, progress: Progress) -> dict[str, float]:
    """Bytes as foreseen, operations and parameters as counted, accuracy on a sample; nothing is trained or written."""
    bare = canonical(recipe.with_steps(*map(untrained, recipe.steps)))
    model = compress(bare, subject, progress=progress)
    size = estimate_model(model, **about(bare, subject))
    some = sampled(subject)
    found = accuracy(model.network, some.dataset.validation, split=SPLIT, progress=progress).accuracy
    return {
        "bytes": float(size),
        "accuracy": found,
        "accuracy_drop": some.dense_accuracy(SPLIT).accuracy - found,
        "macs": float(total_macs(model.network, subject.dataset.input_shape)),
        "parameters": float(parameters(model.network)),
        "compression_ratio": dense_bytes(subject.network) / size,
    }


@lru_cache(maxsize=4)
def sampled(subject: Subject) -> Subject:
    """The same subject with at most IMAGES validation images, always the same ones of a random order."""
    total = len(subject.dataset.validation.labels)
    if total <= 2 * IMAGES:
        return subject
    rows = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:IMAGES]
    batch = subject.dataset.validation
    few = replace(subject.dataset, validation=Batch(batch.images[rows], batch.labels[rows]))
    return replace(subject, dataset=few, _dense={})
