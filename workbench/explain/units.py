"""The card of a unit: who it is, the truth about it, what it answers to and whom it serves, one part after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from ..core.context import Batch, Context
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.units import FILTER, LAYER, NEURON, Consumer, Paired, Standing, Truth, UnitCard, place_of
from ..core.values import Array
from ..layers.channels import IN, OUT, Group, groups_of
from ..measure.removal import Removed, layer_removal, removal
from ..methods.prune._criteria import CRITERIA, Criterion, scores_of
from ._remembered import key_of, known
from .classes_served import Conductance, conductance, targets_of
from .consumers import consumers
from .excite import examples
from .field import Field, field_of
from .responses import LayerResponses, nearest_by_weights, responses

SAMPLE = 512
"""Images of the split that a card looks at: enough for an interval of 0.4 points where nothing is lost."""
BY_WEIGHTS = ("l1", "l2", "fpgm")
BY_IMAGES = ("apoz", "taylor", "hrank")


def sample_of(batch: Batch, most: int = SAMPLE, seed: int = 0) -> tuple[Batch, tuple[int, ...]]:
    """At most so many images of a split, drawn from the seed, and their numbers in it."""
    chosen = torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(seed))[:most]
    return Batch(batch.images[chosen], batch.labels[chosen]), tuple(chosen.tolist())


def unit_card(
    network: nn.Module,
    layer: str,
    unit: int | None,
    *,
    data: Batch,
    context: Context,
    split: str = "validation",
    most: int = SAMPLE,
) -> Iterator[UnitCard]:
    """The card, growing: rank and neighbour at once, then the truth, what it answers to, and whom it serves.

    unit: from 0, None for the layer as a whole. data: the whole split, of which `most` images are looked at. context:
    what criteria may use, and where progress goes. WorkbenchError for a unit that is not there; Cancelled.
    """
    subject = _Subject(network, layer, data, context, most)
    card = subject.start(unit)
    for part in subject.of_layer(card, split) if unit is None else subject.of_unit(card, unit, split):
        card = part
        yield card
    yield replace(card, complete=True)


def truth_of(removed: Removed, row: int, split: str, total: int) -> Truth:
    """One row of what was measured. total: images that the split has."""
    counts = zip(removed.right, removed.lost[row], removed.gained[row], removed.seen, strict=True)
    classes = tuple(Paired(*own) for own in counts)
    return Truth(removed.dense, removed.losses[row], removed.errors[row], classes, split, total)


class _Subject:
    """The layer that a card is about; what is known about the network is worked out when it is needed."""

    def __init__(self, network: nn.Module, layer: str, data: Batch, context: Context, most: int) -> None:
        self.network, self.layer, self.context = network, layer, context
        self.module = dict(network.named_modules()).get(layer)
        if not isinstance(self.module, nn.Conv2d | nn.Linear):
            raise WorkbenchError(f"This network has no layer {layer[:40]!r} with filters or neurons.")
        self.data, self.most = data, most
        self.groups = groups_of(network, context.input_shape)
        self.group = next((g for g in self.groups if _units_in(g, layer) is not None), None)

    @cached_property
    def _sampled(self) -> tuple[Batch, tuple[int, ...]]:
        return sample_of(self.data, self.most)

    @property
    def batch(self) -> Batch:
        return self._sampled[0]

    @cached_property
    def key(self) -> Array:
        return key_of(self.network, self.batch)

    @property
    def progress(self) -> Progress:
        return self.context.progress

    def start(self, unit: int | None) -> UnitCard:
        assert isinstance(self.module, nn.Conv2d | nn.Linear)
        units = len(self.module.weight)
        kind = FILTER if isinstance(self.module, nn.Conv2d) else NEURON
        if unit is not None and not 0 <= unit < units:
            raise WorkbenchError(f"{self.layer} has {units} {kind}s, numbered from 0; there is none numbered {unit}.")
        refusal = "nothing is known about its channels" if self.group is None else self.group.refusal
        tied = () if self.group is None else tuple(name for name in self.group.producers if name != self.layer)
        return UnitCard(self.layer, unit, LAYER if unit is None else kind, units, tied, refusal)

    def of_unit(self, card: UnitCard, unit: int, split: str) -> Iterator[UnitCard]:
        card = replace(
            card,
            kernel=_kernel(self.network, self.layer, unit, self.groups, self.context.input_shape),
            standings=self._standings(BY_WEIGHTS, unit),
            neighbours=nearest_by_weights(self.network, self.layer, unit),
        )
        yield card
        found = self._responses
        if found is not None:
            card = replace(card, neighbours=found.neighbours(unit), responses=found.of(unit))
            yield card
        if not card.refusal:
            card = replace(card, truth=self._truth(unit, split))
            yield card
            card = replace(card, consumers=self._consumers(unit))
            yield card
        if found is not None:
            field = known(("field", self.layer), self.key, self._field)
            indices = self._sampled[1]
            card = replace(card, examples=examples(found, unit, self.batch, field=field, indices=indices))
            yield card
        served = self._conductance(card)
        card = replace(card, classes=() if served.reason else served.of(unit), classes_note=served.reason)
        yield card
        for name in BY_IMAGES if not card.refusal else ():
            card = replace(card, standings=(*card.standings, *self._standings((name,), unit)))
            yield card

    def of_layer(self, card: UnitCard, split: str) -> Iterator[UnitCard]:
        yield card
        if (found := self._responses) is not None:
            card = replace(card, neighbours=found.twins())
            yield card
        if card.refusal and self.group is not None and self.group.count < 2:
            return
        compute = lambda: layer_removal(self.network, self.batch, self.layer, progress=self.progress)  # noqa: E731
        truth = truth_of(known(("without layer", self.layer), self.key, compute), 0, split, len(self.data.labels))
        yield replace(card, truth=truth, refusal="")

    @property
    def _responses(self) -> LayerResponses | None:
        names = [name for group in self.groups for name in group.producers]
        names = names if self.layer in names else [*names, self.layer]
        compute = lambda: responses(self.network, self.batch.images, names, self.progress)  # noqa: E731
        return known(("responses", tuple(names)), self.key, compute).get(self.layer)

    def _field(self) -> Field | None:
        return field_of(self.network, self.layer, self.context.input_shape, self.progress)

    def _own(self, unit: int) -> int:
        """The number that the unit of the layer has in its group."""
        assert self.group is not None
        own = _units_in(self.group, self.layer)
        assert own is not None
        return int(own[unit])

    def _truth(self, unit: int, split: str) -> Truth:
        assert self.group is not None
        group, own = self.group, self._own(unit)

        def compute() -> Removed:
            one = removal(self.network, self.batch, layers=group.producers[:1], units=[own], progress=self.progress)
            return next(iter(one))

        return truth_of(known(("without", group.producers[0], own), self.key, compute), 0, split, len(self.data.labels))

    def _consumers(self, unit: int) -> tuple[Consumer, ...]:
        assert self.group is not None
        return consumers(self.network, self.batch.images[:128], self.group, self._own(unit), self.progress)

    def _conductance(self, card: UnitCard) -> Conductance:
        hurt = [c.cost for c in card.truth.classes] if card.truth else []
        targets = targets_of(self.batch, hurt)
        compute = lambda: conductance(self.network, self.layer, self.batch, targets, self.progress)  # noqa: E731
        return known(("conductance", self.layer, tuple(targets)), self.key, compute)

    def _standings(self, names: Sequence[str], unit: int) -> tuple[Standing, ...]:
        found = [(name, CRITERIA[name], self._scores(name, CRITERIA[name])) for name in names]
        number = unit if self._stays else self._own(unit)
        return tuple(
            Standing(name, criterion.title, float(s[number]), place_of(s.tolist(), number), len(s))
            for name, criterion, s in found
        )

    @property
    def _stays(self) -> bool:
        return self.group is None or bool(self.group.refusal)

    def _scores(self, name: str, criterion: Criterion) -> Tensor:
        """Of the group as it would go, or of the layer by itself where it cannot."""
        if self.group is None or self._stays:
            return criterion.layers(self.network, self.context, [self.layer])[self.layer]
        if criterion.needs:
            return scores_of(name, self.network, self.context)[self.group.producers[0]]
        return criterion.groups(self.network, self.context, [self.group])[0]


def _units_in(group: Group, layer: str) -> Tensor | None:
    """The unit of the group that each output of the layer is, or None where it makes none of them."""
    return next((m.units for m in group.members if m.module == layer and m.side == OUT), None)


def _kernel(network: nn.Module, layer: str, unit: int, groups: Sequence[Group], input_shape: Sequence[int]) -> Array:
    """(inputs, height, width): of a neuron that reads flattened maps or an image, laid out as those are."""
    weight = network.get_submodule(layer).weight
    assert isinstance(weight, Tensor)
    own = weight[unit].detach().cpu().numpy().astype(np.float32)
    if own.ndim == 3:
        return own
    if own.size == np.prod(input_shape):
        return own.reshape(tuple(input_shape))
    reads = [m.units for g in groups for m in g.members if m.module == layer and m.side == IN]
    runs = len(reads[0]) // (int(reads[0].max()) + 1) if len(reads) == 1 else 1
    side = round(runs**0.5)
    return own.reshape(-1, side, side) if runs > 1 and side * side == runs else own.reshape(1, 1, -1)
