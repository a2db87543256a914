"""Pruning along its axes: what is taken out, what ranks it, among what, and in how many rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ...core.compressed import CONV, LINEAR, Compressed, Layer
from ...core.context import Context
from ...core.errors import WorkbenchError
from ...core.knob import knob
from ...core.method import chosen
from ...core.order import SHAPE, SUPPORT, Done, reason_against
from .._distil import taught
from ._criteria import CRITERIA, Criterion, criterion_named
from ._filters import Quota, Ranked
from ._layers import LayersMethod
from ._masks import UNITS, kept_units, store_kept, title_of, unit_scores
from ._schedules import SCHEDULES, share_gone
from ._scores import of_many


@dataclass(frozen=True)
class GranularityMasks(LayersMethod):
    """Take out weights, kernels, filters or layers, lowest score first, layer by layer or in one ranking.

    Weights and kernels stay in place as zeros that the file leaves out. Filters go physically with all that belongs to
    them, for only so masked equals removed; so do layers: the whole branch beside a shortcut that hands on its input.
    Between rounds the rest may be trained, also on the dense network's answers; what is gone stays gone. In one
    ranking scores are compared as they are: those of sums favour large units.
    """

    title = "Masks by granularity"
    citation = "Mao et al. 2017, arXiv:1705.08922 (granularity); Zhu, Gupta 2017, arXiv:1710.01878 (gradual)"
    sets = SUPPORT
    acts_on = (CONV, LINEAR)

    granularity: str = knob(
        "weight",
        "what is taken out as one: a kernel is what a filter does with one channel, a neuron counts as a filter, a "
        "layer is the whole branch beside a shortcut, ranked among all branches",
        choices=(*UNITS, "filter", "layer"),
        whole=True,
    )
    criterion: str = knob(
        "l1",
        "what ranks the units; fpgm, hrank and apoz rank whole filters alone",
        choices=tuple(CRITERIA),
        whole=True,
    )
    scope: str = knob(
        "per_layer",
        "each layer by itself, or one ranking of all layers, which lose what their ratios come to in all; a ratio of 0 "
        "spares a layer",
        choices=("per_layer", "global"),
        whole=True,
    )
    schedule: str = knob(
        "one_shot",
        "all at once; in rounds that each take the same part of what is left; in rounds along a cubic ramp",
        choices=SCHEDULES,
        whole=True,
    )
    pruning_ratio: float = knob(
        0.5, "share of the units that are removed; a layer that stays keeps one", low=0.0, high=0.999, step=0.001
    )
    rounds: int = knob(
        10, "rounds of scoring and pruning with training in between, unless in one shot", low=1, high=100, whole=True
    )
    teacher_weight: float = knob(
        0.0, "of the dense network's answers in training; the labels have the rest", low=0.0, high=1.0, whole=True
    )
    temperature: float = knob(4.0, "softens both answers there", low=1.0, high=20.0, whole=True)

    def ranking(self) -> Criterion:
        return criterion_named(self.criterion)

    @property
    def turns(self) -> int:
        return 1 if self.schedule == "one_shot" else self.rounds

    def gone(self, ratio: float, done: int) -> float:
        return share_gone(ratio, done / self.turns, self.schedule)

    def follows(self, layers: tuple[str, ...] | None, done: Sequence[Done]) -> str | None:
        sets = SHAPE if self.granularity in ("filter", "layer") else SUPPORT
        return self._misfit() or reason_against(sets, layers, done)

    def _misfit(self) -> str | None:
        if self.granularity == "filter" or self.ranking().weighs:
            return None
        able = ", ".join(name for name, other in CRITERIA.items() if other.weighs)
        return f"{self.criterion} scores whole filters only; for granularity={self.granularity} there are {able}"

    def apply(self, model: Compressed, context: Context) -> Compressed:
        if why := self._misfit():
            raise WorkbenchError(f"{self.id()}: {why}.")
        if self.granularity == "filter":
            return super().apply(model, context)
        if self.granularity == "layer":
            return self._without_layers(model, context)
        return self._rounds(model, context, self.epochs)

    def masked(self, model: Compressed, context: Context) -> Compressed:
        """The same without the training after the last round; for weights and kernels the mask is all there is."""
        if self.granularity == "filter":
            return super().masked(model, context)
        if self.granularity == "layer":
            return self._without_layers(model, context, masked=True)
        return self._rounds(model, context, 0)

    def as_one(self, scores: Tensor) -> Tensor:
        return unit_scores(scores[None, None], None, "kernel", self.criterion)[0]

    def _rounds(self, model: Compressed, context: Context, last: int) -> Compressed:
        """last: epochs after the last round."""
        for done in range(1, self.turns + 1):
            part = replace(context, progress=context.progress.part((done - 1) / self.turns, done / self.turns))
            self._mask(model, part, done)
            if last if done == self.turns else self.epochs:
                model = self.train(model, part, done)
        return model

    def _mask(self, model: Compressed, context: Context, done: int) -> None:
        """What is to be gone after `done` rounds leaves `model`; after the last of them, why."""
        context.progress(self.title, 0.0)
        layers = chosen(self, model, context)
        found = self.ranking().weights(model.network, context, [layer.name for layer in layers])
        scores = {
            x.name: unit_scores(found[x.name], model.stored(x).keep, self.granularity, self.criterion) for x in layers
        }
        ratios = {name: self.at(name, context).pruning_ratio for name in scores}
        wanted = {name: self.gone(ratios[name], done) * len(own) for name, own in scores.items()}
        keeps = kept_units(scores, wanted, self.scope == "global")
        for i, layer in enumerate(layers):
            context.progress(f"{self.title}: {layer.name}", i / len(layers))
            store_kept(model, layer, keeps[layer.name])
        if done == self.turns:
            self._decide(model, layers, scores, keeps, wanted)

    def _decide(
        self,
        model: Compressed,
        layers: Sequence[Layer],
        scores: Mapping[str, Tensor],
        keeps: Mapping[str, Tensor],
        wanted: Mapping[str, float],
    ) -> None:
        gone = [float(own[~keeps[name]].max()) for name, own in scores.items() if not bool(keeps[name].all())]
        for name in (layer.name for layer in layers):
            keep, own = keeps[name], scores[name].clamp_min(0)
            why = of_many(
                name, self.id(), title_of(self.ranking(), self.granularity), self.granularity, own.numpy(), keep.numpy()
            )
            if self.scope == "global" and gone and wanted[name]:
                why = replace(why, threshold=max(gone))
            model.decisions = (*model.decisions, why)
            self._say_what_stayed(model, name, why.removed, wanted[name], len(keep))

    def _say_what_stayed(self, model: Compressed, name: str, removed: int, wanted: float, count: int) -> None:
        if wanted and not removed:
            self._say(model, f"left {name} whole: {self.why_nothing(self.pruning_ratio, count)}.")
        elif removed == count - 1:
            self._say(model, f"keeps one {self.granularity} of {name}, since no layer is emptied.")

    def train(self, model: Compressed, context: Context, done: int) -> Compressed:
        """Each round has its own seed, so that it sees the images in another order and moved in other ways."""
        loss = None
        if self.teacher_weight:
            teacher = context.lent_teacher(self.id())
            loss = taught(teacher, temperature=self.temperature, weight=self.teacher_weight)
        seed = context.generator("round", done).initial_seed() % 2**31  # what a training takes
        own = replace(context, seed=seed)
        return context.lent_fit(self.id())(model, own, epochs=self.epochs, learning_rate=self.learning_rate, loss=loss)

    def kept(self, ranked: Sequence[Ranked], quota: Quota, context: Context) -> list[Tensor]:
        by = super().kept if self.scope == "per_layer" else self.kept_together
        return by(ranked, quota, context)

    def why_nothing(self, ratio: float, count: int) -> str:
        return super().why_nothing(ratio, count) if self.scope == "per_layer" else "what other layers have scores lower"
