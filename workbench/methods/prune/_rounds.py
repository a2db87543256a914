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

Counts = dict[tuple[str, ...], int]
"""Units of each group, by its producers, before the first round."""


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
        start, chosen = self._counts(model, context), list[list[Choice]]()
        for done in range(self.rounds):
            model = self._round(model, context, start, done, chosen)
        self.record(model, merged(chosen), context)
        return model

    def masked(self, model: Compressed, context: Context) -> Compressed:
        """All rounds but the last as they are, and the last with its units zeroed, without the training after it."""
        start = self._counts(model, context)
        for done in range(self.rounds - 1):
            model = self._round(model, context, start, done, [])
        return self._silenced(model, self.choose(model, context, self._quota(start, self.rounds, context)))

    def _round(
        self, model: Compressed, context: Context, start: Counts, done: int, chosen: list[list[Choice]]
    ) -> Compressed:
        part = replace(context, progress=context.progress.part(done / self.rounds, (done + 1) / self.rounds))
        chosen.append(self.remove(model, part, self._quota(start, done + 1, context)))
        if not self.epochs:
            return model
        fit = context.lent_fit(self.id())
        return fit(model, part, epochs=self.epochs, learning_rate=self.learning_rate)

    def _counts(self, model: Compressed, context: Context) -> Counts:
        return {group.producers: group.count for group in groups_of(model.network, context.input_shape)}

    def _quota(self, start: Counts, rounds: int, context: Context) -> Quota:
        """What is to go in the last of so many rounds."""

        def quota(group: Group) -> int:
            whole = start[group.producers]
            share = 1 - (1 - self.ratio(group, context)) ** (rounds / self.rounds)
            return round(share * whole) - (whole - group.count)

        return quota


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
