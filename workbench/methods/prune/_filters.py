"""What every filter method shares: rank the units of a layer, couple channels, mask them or take them out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ...core.compressed import CONV, Compressed
from ...core.context import Context
from ...core.errors import WorkbenchError
from ...core.knob import knob
from ...core.method import StructuredMethod, chosen
from ...core.order import SHAPE
from ...core.records import Decision
from ...layers.channels import Group, groups_of, kept_positions, shrink_stored, silence
from ...layers.watch import run_by
from ._criteria import Criterion
from ._scores import histogram, kept_anywhere, kept_lowest


@dataclass(frozen=True)
class Quota:
    """How many units of a group are to go.

    spent: how many more than their share went from groups that have a single unit left, and are not seen any more;
    so many fewer go from the others where all are ranked together.
    """

    of: Callable[[Group], int]
    spent: int = 0

    def __call__(self, group: Group) -> int:
        return self.of(group)


class Ranked(NamedTuple):
    """A group, the scores of its units and what decides between equal ones: (units,) both."""

    group: Group
    scores: Tensor
    ties: Tensor | None


class Choice(NamedTuple):
    """What to do with one group. scores: (units,), keep: (units,) bool; cut: the highest score that went."""

    group: Group
    scores: Tensor
    keep: Tensor

    @property
    def cut(self) -> float | None:
        gone = self.scores[~self.keep]
        return float(gone.max()) if gone.numel() else None


@dataclass(frozen=True)
class FilterMethod(StructuredMethod):
    """Removes the lowest-scored share of every layer's filters with their maps and the consumers' input slices.

    Layers that a sum ties together form one group, scored as the criterion says; of their own ratios the smallest
    holds. A subclass gives `ranking`.
    """

    sets = SHAPE
    axis = "pruning_ratio"
    neutral = {"pruning_ratio": 0.0}
    grows = False
    acts_on: ClassVar[tuple[str, ...]] = (CONV,)

    pruning_ratio: float = knob(0.3, "share of a layer's filters that are removed", low=0.0, high=0.9, step=0.01)

    @abstractmethod
    def ranking(self) -> Criterion:
        """What ranks the units, with this method's settings."""

    def scores(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor]:
        """Importance of the units of each group, the lowest go first: (units,)."""
        own = {name: self.at(name, context).ranking() for group in groups for name in group.producers}
        if set(own.values()) <= {self.ranking()}:
            return self.ranking().groups(network, context, groups)
        each = {name: ranking.layers(network, context, [name])[name] for name, ranking in own.items()}
        return [self.ranking().join([each[name] for name in group.producers]) for group in groups]

    def ties(self, network: nn.Module, context: Context, groups: Sequence[Group]) -> list[Tensor | None]:
        """What ranks units of equal score, (units,) for each group; None for the order in which they stand."""
        return [None] * len(groups)

    def ratio(self, group: Group, context: Context) -> float:
        """The share of a group's units that is to go."""
        return min(self.at(name, context).pruning_ratio for name in group.producers)

    def kept(self, ranked: Sequence[Ranked], quota: Quota, context: Context) -> list[Tensor]:
        """Which units of each group stay, one at least: (units,) bool."""
        return [kept_lowest(own.scores, quota(own.group), own.ties) for own in ranked]

    def kept_together(self, ranked: Sequence[Ranked], quota: Quota, context: Context) -> list[Tensor]:
        """The same with all groups in one ranking, which lose as many in all; a ratio of 0 spares a group."""
        some = [own for own in ranked if self.ratio(own.group, context) > 0]
        total = sum(quota(own.group) for own in some) - quota.spent
        found = kept_anywhere([own.scores for own in some], total) if some else []
        lost = {own.group.producers: keep for own, keep in zip(some, found, strict=True)}
        whole = (torch.ones(own.group.count, dtype=torch.bool) for own in ranked)
        return [lost.get(own.group.producers, all_) for own, all_ in zip(ranked, whole, strict=True)]

    def choose(self, model: Compressed, context: Context, quota: Quota | None = None) -> list[Choice]:
        """The units to keep in every group that the step acts on; notes on `model` say what stays untouched."""
        wanted = {layer.name for layer in chosen(self, model, context)}
        groups = [g for g in groups_of(model.network, context.input_shape) if self._allowed(g, wanted, model)]
        groups = self._reached(groups, model, context)
        if not groups:
            return []
        scores = self.scores(model.network, context, groups)
        ties = self.ties(model.network, context, groups)
        ranked = [Ranked(*parts) for parts in zip(groups, scores, ties, strict=True)]
        quota = quota or Quota(lambda group: round(self.ratio(group, context) * group.count))
        keeps = self.kept(ranked, quota, context)
        choices = [Choice(own.group, own.scores, keep) for own, keep in zip(ranked, keeps, strict=True)]
        for choice, tie in zip(choices, ties, strict=True):
            if tie is None:
                self._say_if_blind(model, choice)
        return choices

    def _reached(self, groups: list[Group], model: Compressed, context: Context) -> list[Group]:
        """Those of the groups that images can rank, where they are ranked by images."""
        if "calibration" not in self.ranking().needs or context.calibration is None:
            return groups
        ran = run_by(model.network, context.calibration.images)
        for name in (name for group in groups for name in group.producers if name not in ran):
            model.note(f"{self.id()} left {name} whole: none of the images that rank its units makes it run.")
        return [group for group in groups if ran.issuperset(group.producers)]

    def apply(self, model: Compressed, context: Context) -> Compressed:
        context.progress(self.title, 0.0)
        self.record(model, self.remove(model, context), context)
        return model

    def remove(self, model: Compressed, context: Context, quota: Quota | None = None) -> list[Choice]:
        """Take the units out of `model` itself; what was chosen, and why."""
        choices = self.choose(model, context, quota)
        masked = self._silenced(model.copy(), choices)
        for i, choice in enumerate(choices):
            context.progress(f"{self.title}: {choice.group.producers[0]}", i / len(choices))
        shrink_stored(model, kept_positions((choice.group, choice.keep) for choice in choices))
        self._compare(masked.network, model.network, context)
        return choices

    def masked(self, model: Compressed, context: Context) -> Compressed:
        return self._silenced(model, self.choose(model, context))

    def record(self, model: Compressed, choices: Sequence[Choice], context: Context) -> None:
        """Why, for the figures, and a note where nothing went that should have."""
        for choice in choices:
            model.decisions = (*model.decisions, *self._decisions(model, choice))
            if choice.cut is None and self.ratio(choice.group, context):
                why = self.why_nothing(self.ratio(choice.group, context), len(choice.keep))
                self._say(model, f"removed nothing from {', '.join(choice.group.producers)}: {why}.")

    def why_nothing(self, ratio: float, count: int) -> str:
        """Why no unit of `count` goes at a ratio that is not 0."""
        return f"{ratio:g} of {count} is under one"

    def _decisions(self, model: Compressed, choice: Choice) -> list[Decision]:
        counts = histogram(choice.scores.numpy(), choice.keep.numpy())
        scores, kept = tuple(choice.scores.tolist()), tuple(choice.keep.tolist())
        title, gone = self.ranking().title, kept.count(False)
        units = [
            "filter" if isinstance(model.network.get_submodule(name), nn.Conv2d) else "neuron"
            for name in choice.group.producers
        ]
        return [
            Decision(name, self.id(), title, unit, choice.cut, len(kept), gone, scores, kept, counts)
            for name, unit in zip(choice.group.producers, units, strict=True)
        ]

    def _say_if_blind(self, model: Compressed, choice: Choice) -> None:
        if choice.cut is not None and float(choice.scores.min()) == float(choice.scores.max()):
            names = ", ".join(choice.group.producers)
            self._say(model, f"cannot tell the units of {names} apart, all score {choice.cut:g}: the first go.")

    def _say(self, model: Compressed, what: str) -> None:
        """A note, once, however many rounds find it."""
        sentence = f"{self.id()} {what}"
        if sentence not in model.notes:
            model.note(sentence)

    def _silenced(self, model: Compressed, choices: list[Choice]) -> Compressed:
        for choice in choices:
            silence(model.network, choice.group, choice.keep)
        return model

    def _allowed(self, group: Group, wanted: set[str], model: Compressed) -> bool:
        mine = [name for name in group.producers if name in wanted]
        others = [name for name in group.producers if name not in wanted]
        why = group.refusal or (f"tied to {', '.join(others)}, which the step does not act on" if others else "")
        if mine and why:
            self._say(model, f"left {', '.join(mine)} whole: {why}.")
        return bool(mine) and not why

    def _compare(self, masked: nn.Module, removed: nn.Module, context: Context) -> None:
        """Refuse to go on when the smaller network does not compute what the masked one does."""
        x = torch.rand(4, *context.input_shape, generator=context.generator("masked equals removed"))
        with torch.no_grad():
            a, b = masked(x), removed(x)
        if not torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max().clamp_min(1))):
            raise WorkbenchError(
                f"{self.id()} cannot be used on this network: taking the units out changes what it computes "
                f"(by {float((a - b).abs().max()):.2g}), so something between its layers does not keep zero at zero."
            )
