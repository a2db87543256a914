"""Filter methods that prune a little, train, look again, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ...core.compressed import Compressed
from ...core.context import Context
from ...core.knob import knob
from ...layers.channels import Group, groups_of
from ._filters import Choice, FilterMethod, Quota
from ._schedules import share_gone

Start = dict[tuple[str, ...], Group]
"""The groups by their producers, as they were before the first round."""


@dataclass(frozen=True)
class RoundsFilterMethod(FilterMethod):
    """With several rounds the share grows so that each removes the same part of what is left; units are scored anew."""

    rounds: int = knob(1, "rounds of scoring and pruning, with training in between", low=1, high=20, whole=True)
    epochs: int = knob(
        0, "training epochs after each round; 0 leaves the weights as they are", low=0, high=50, whole=True
    )
    learning_rate: float = knob(1e-3, "of that training", low=1e-5, high=0.1, log=True, whole=True)

    def apply(self, model: Compressed, context: Context) -> Compressed:
        context.progress(self.title, 0.0)
        start, chosen = self._start(model, context), list[list[Choice]]()
        for done in range(self.turns):
            model = self._round(model, context, start, done, chosen)
        self.record(model, merged(chosen), context)
        return model

    def masked(self, model: Compressed, context: Context) -> Compressed:
        """All rounds but the last as they are, and the last with its units zeroed, without the training after it."""
        start = self._start(model, context)
        for done in range(self.turns - 1):
            model = self._round(model, context, start, done, [])
        return self._silenced(model, self.choose(model, context, self._quota(model, start, self.turns, context)))

    def _round(
        self, model: Compressed, context: Context, start: Start, done: int, chosen: list[list[Choice]]
    ) -> Compressed:
        part = replace(context, progress=context.progress.part(done / self.turns, (done + 1) / self.turns))
        chosen.append(self.remove(model, part, self._quota(model, start, done + 1, context)))
        return self.train(model, part, done) if self.epochs else model

    @property
    def turns(self) -> int:
        """How many rounds there are."""
        return self.rounds

    def gone(self, ratio: float, done: int) -> float:
        """The share that is gone after `done` rounds."""
        return share_gone(ratio, done / self.turns)

    def train(self, model: Compressed, context: Context, done: int) -> Compressed:
        """The training after the round before which `done` were."""
        fit = context.lent_fit(self.id())
        return fit(model, context, epochs=self.epochs, learning_rate=self.learning_rate)

    def _start(self, model: Compressed, context: Context) -> Start:
        return {group.producers: group for group in groups_of(model.network, context.input_shape)}

    def _quota(self, model: Compressed, start: Start, done: int, context: Context) -> Quota:
        """What is still to go when `done` rounds are to be over after this one."""

        def left(group: Group) -> int:
            first = start[group.producers]
            return round(self.gone(self.ratio(first, context), done) * first.count) - (first.count - group.count)

        now = groups_of(model.network, context.input_shape)
        return Quota(left, -sum(left(group) for group in now if group.count == 1 < start[group.producers].count))


def merged(rounds: Sequence[Sequence[Choice]]) -> list[Choice]:
    """One choice for each group that the first round saw; a unit has the score of the last round that saw it."""
    found: list[Choice] = []
    for first in rounds[0]:
        scores, keep = first.scores.clone(), first.keep.clone()
        for choice in (c for later in rounds[1:] for c in later if c.group.producers == first.group.producers):
            left = torch.nonzero(keep).flatten()
            scores[left], keep[left] = choice.scores.to(scores), choice.keep
        found.append(Choice(first.group, scores, keep))
    return found
