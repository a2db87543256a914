"""The first and the last layer: most papers of few bits leave them as they are, which costs bytes and must be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from ...core.compressed import Compressed, Layer, layers_of
from ...core.context import Context
from ...core.knob import knob
from ...core.method import LayerMethod
from ...core.recipe import covers
from ...layers import spec_of
from ._activations import Appointed
from .int8_linear import Int8Linear

FLOAT, EIGHT_BIT, SAME = "float", "eight_bit", "same"
FIRST_LAST = (FLOAT, EIGHT_BIT, SAME)


def first_last_knob(default: str) -> Any:
    """The knob of EndsMethod with the default of a paper."""
    meaning = "the first and the last layer: left in floating point, stored in 8 bits, or like the others"
    return knob(default, meaning, choices=FIRST_LAST, whole=True)


@dataclass(frozen=True)
class EndsMethod(LayerMethod):
    """A quantizer that may treat the first and the last layer otherwise than those between."""

    first_last: str = first_last_knob(FLOAT)

    def appointed(self, model: Compressed, context: Context) -> list[Appointed]:
        """Who quantizes which layer; a layer that is left as it is is not there, and the run says so."""
        targets = self.targets(model, context)
        ends = ends_of(model.network) & {layer.name for layer in targets}
        if self.first_last != SAME and ends:
            names = ", ".join(layer.name for layer in targets if layer.name in ends)
            did = "left {} in floating point" if self.first_last == FLOAT else "stored {} in 8 bits"
            model.note(
                f"{self.id()} {did.format(names)}: the first and the last layer; first_last=same has no exception."
            )
        found = [(layer, self._one(layer, layer.name in ends, context)) for layer in targets]
        return [(layer, method) for layer, method in found if method is not None]

    def _one(self, layer: Layer, end: bool, context: Context) -> LayerMethod | None:
        if end and self.first_last != SAME:
            return None if self.first_last == FLOAT else Int8Linear()
        return self.at(layer.name, context)


def ends_of(network: nn.Module) -> frozenset[str]:
    """The first and the last layer by definition order, with every part of them where they are factorised."""
    layers = layers_of(network)
    wholes = [_whole(network, layer.name) for layer in (*layers[:1], *layers[-1:])]
    return frozenset(x.name for x in layers for whole in wholes if covers(whole, x.name))


def _whole(network: nn.Module, name: str) -> str:
    """The outermost module that was put in a layer's place around `name`, or `name` itself."""
    steps = name.split(".")
    around = [".".join(steps[: i + 1]) for i in range(len(steps))]
    return next((path for path in around if spec_of(network.get_submodule(path)) is not None), name)
