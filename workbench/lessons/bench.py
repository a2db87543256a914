"""What a lesson measures on: one trained network, its data, and any recipe in a line or two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from ..core.attribution import AttributionPair
from ..core.compressed import Compressed, Layer, layers_of
from ..core.costs import Costs
from ..core.progress import Progress
from ..core.recipe import Recipe
from ..core.records import Measurement, Run, Sensitivity
from ..core.values import Array
from ..experiment.questions import SPLIT, Asked, last
from ..experiment.questions.attribution import AttributionQuestion
from ..experiment.questions.costs import CostsQuestion
from ..experiment.run import run
from ..experiment.sensitivity import scan
from ..experiment.subject import Subject, subject_named
from ..measure.accuracy import accuracy
from ..measure.evaluate import scores
from ..measure.macs import macs
from ..methods import parse_step
from ..networks.artifact import unpack_model


@dataclass(frozen=True, eq=False)
class Made:
    """A compressed network: what was measured of it, and its file."""

    run: Run
    data: bytes

    @property
    def measured(self) -> Measurement:
        return self.run.measurement

    @property
    def accuracy(self) -> float:
        """On validation images, in percent."""
        return 100 * self.measured.accuracy.accuracy

    @property
    def file_bytes(self) -> int:
        return self.measured.file_bytes


class Bench:
    """A trained network and its data. Everything is measured on validation images; nothing is changed.

    A step is written as on the command line: "prune.magnitude_iter:pruning_ratio=0.6/conv1:pruning_ratio=0.2".
    """

    def __init__(self, network: str = "lenet5", dataset: str = "digits") -> None:
        self.subject: Subject = subject_named(network, dataset)
        self.batch = self.subject.dataset.split(SPLIT)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.subject.dataset.classes

    @property
    def accuracy(self) -> float:
        """Of the dense network, in percent."""
        return 100 * self.subject.dense_accuracy(SPLIT).accuracy

    @property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """Shape of each layer's weight by name: (out, in, height, width), or (out, in)."""
        return {x.name: tuple(_weight(self.subject.network, x.name).shape) for x in self._layers}

    @property
    def macs(self) -> dict[str, int]:
        """Multiplications of one image, by layer."""
        return macs(self.subject.network, self.subject.dataset.input_shape)

    @property
    def _layers(self) -> list[Layer]:
        return layers_of(self.subject.network)

    def weights(self, layer: str) -> Array:
        """A copy of the layer's weight."""
        return _weight(self.subject.network, layer).detach().numpy().copy()

    def image(self, number: int) -> Array:
        """One validation image, (height, width) in [0, 1]."""
        return self.batch.images[number : number + 1][0, 0].numpy()

    def scores(self, number: int) -> Array:
        """What the dense network gives each class of that image, (classes,)."""
        return scores(self.subject.network, self.batch.images[number : number + 1])[0].numpy()

    def accuracy_with(self, weights: Mapping[str, Array]) -> float:
        """Validation accuracy in percent of the network with these weights in the place of its own."""
        changed = Compressed.of(self.subject.network).network
        with torch.no_grad():
            for layer, values in weights.items():
                _weight(changed, layer).copy_(torch.from_numpy(np.ascontiguousarray(values)))
        return 100 * accuracy(changed, self.batch, split=SPLIT).accuracy

    def run(self, *steps: str) -> Made:
        """Carry the steps out, write the file, read it back, measure it; asked again, it is there at once."""
        return _made(self.subject, steps)

    def scan(self, step: str, levels: int = 6) -> Sensitivity:
        """Accuracy with each layer alone compressed."""
        found: Sensitivity = last(scan(parse_step(step), self.subject, levels=levels))
        return found

    def costs(self, made: Made) -> Costs:
        """Whose answers the compression changed."""
        found: Costs = last(CostsQuestion().answers(self._asked(made), Progress()))
        return found

    def looks_at(self, made: Made, number: int, method: str = "integrated_gradients") -> AttributionPair:
        """What both networks look at in one validation image."""
        found: AttributionPair = last(AttributionQuestion(method, number).answers(self._asked(made), Progress()))
        return found

    def _asked(self, made: Made) -> Asked:
        network = Compressed(unpack_model(made.data).network)
        return Asked(self.subject, made.run.recipe, lambda _progress: network, lambda: made.data)


def _weight(network: nn.Module, layer: str) -> Tensor:
    weight = network.get_submodule(layer).weight
    assert isinstance(weight, Tensor)
    return weight


@cache
def _made(subject: Subject, steps: tuple[str, ...]) -> Made:
    recipe = Recipe(subject.name, subject.dataset.name, tuple(map(parse_step, steps)))
    return Made(*run(recipe, split=SPLIT, subject=subject))
