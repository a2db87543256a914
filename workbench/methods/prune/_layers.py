"""Whole layers as units: branches beside a shortcut, which stays."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...core.compressed import Compressed
from ...core.context import Context
from ...core.errors import WorkbenchError
from ...core.method import chosen
from ...core.records import Decision
from ...layers.branches import Branch, branches_of, silence_branch, take_out
from ._masks import title_of
from ._rounds import RoundsFilterMethod
from ._scores import ascending, histogram

Ratios = Mapping[tuple[str, ...], float]
"""The layers of a branch -> the share that is to go, in the order in which they run."""


@dataclass(frozen=True)
class LayersMethod(RoundsFilterMethod):
    """Ranks branches of the network with one another and takes the lowest out, with all of their layers."""

    def _without_layers(self, model: Compressed, context: Context, *, masked: bool = False) -> Compressed:
        """masked: what the last round chooses stays in place as zeros, and nothing is trained after it."""
        context.progress(self.title, 0.0)
        ratios, why = self._ratios(model, context), dict[str, Decision]()
        for done in range(1, self.turns + 1):
            part = replace(context, progress=context.progress.part((done - 1) / self.turns, done / self.turns))
            gone = self._lowest(model, part, ratios, done, why)
            if masked and done == self.turns:
                for branch in gone:
                    silence_branch(model.network, branch)
            else:
                self._take_out(model, gone, part)
                model = self.train(model, part, done) if self.epochs else model
        model.decisions = (*model.decisions, *why.values())
        return model

    def _ratios(self, model: Compressed, context: Context) -> Ratios:
        """Of the branches that the step acts on; notes on `model` say what stays. WorkbenchError when none can go."""
        there, wanted = branches_of(model.network, context.input_shape), [x.name for x in chosen(self, model, context)]
        branches = [b for b in there if set(b.layers) <= set(wanted)]
        if not branches:
            where = "this network" if context.layers is None else "these layers of this network"
            raise WorkbenchError(
                f"{self.id()} cannot take layers out of {where}: only a whole branch can go, beside a shortcut that "
                "hands on what the branch was given."
            )
        free = {name for b in branches for name in b.layers}
        if rest := [name for name in wanted if name not in free]:
            self._say(model, f"left {', '.join(rest)} whole: not in a branch that can go as a whole.")
        ratios = {b.layers: min(self.at(name, context).pruning_ratio for name in b.layers) for b in branches}
        if any(ratios.values()) and not round(sum(ratios.values())):
            self._say(model, f"removed nothing: {self.pruning_ratio:g} of {len(branches)} branches is under one.")
        return ratios

    def _lowest(
        self, model: Compressed, context: Context, ratios: Ratios, done: int, why: dict[str, Decision]
    ) -> list[Branch]:
        """Those of the branches left that go in this round; `why` says so."""
        now = [b for b in branches_of(model.network, context.input_shape) if ratios.get(b.layers)]
        shares = [self.gone(ratio, done) for ratio in ratios.values() if ratio]
        quota = max(0, round(sum(shares)) - (len(shares) - len(now)))
        scores = self._scored(now, model, context)
        keep = torch.ones(len(now), dtype=torch.bool)
        keep[ascending(scores)[:quota]] = False
        why.update((x.layer, x) for x in self._decided(now, scores, keep))
        return [branch for branch, stays in zip(now, keep.tolist(), strict=True) if not stays]

    def _decided(self, branches: Sequence[Branch], scores: Tensor, keep: Tensor) -> Iterator[Decision]:
        """Why, for every layer of every branch: among the scores of all of them. It is the layer that is the unit."""
        title, counts = title_of(self.ranking(), "layer"), histogram(scores.numpy(), keep.numpy())
        cut = None if bool(keep.all()) else float(scores[~keep].max())
        for branch, stays in zip(branches, keep.tolist(), strict=True):
            for name in branch.layers:
                yield Decision(name, self.id(), title, "layer", cut, 1, int(not stays), histogram=counts)

    def _scored(self, branches: Sequence[Branch], model: Compressed, context: Context) -> Tensor:
        """One score for each branch, over the weights of all its layers as if they were one unit's."""
        if not branches:
            return torch.zeros(0)
        found = self.ranking().weights(model.network, context, [name for b in branches for name in b.layers])
        return torch.stack([self.as_one(torch.cat([found[name].flatten() for name in b.layers])) for b in branches])

    @abstractmethod
    def as_one(self, scores: Tensor) -> Tensor:
        """The score of a unit from those of its weights: (n,) -> ()."""

    def _take_out(self, model: Compressed, gone: Sequence[Branch], context: Context) -> None:
        masked = model.copy()
        for branch in gone:
            silence_branch(masked.network, branch)
            take_out(model.network, branch)
            lost = tuple(f"{name}." for name in branch.modules)
            model.encoded = {name: e for name, e in model.encoded.items() if not name.startswith(lost)}
        self._compare(masked.network, model.network, context)
