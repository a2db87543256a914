"""What all methods share that put several thinner layers in the place of one."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from ..core.compressed import Compressed, Layer
from ..core.context import Context
from ..core.method import ModelMethod, chosen
from ..core.order import FACTORS
from ..layers.swap import fixtures

NO_FEWER = "its factors hold no fewer numbers"
_GROUPED = "it is a grouped convolution"


class Found(NamedTuple):
    """What takes a layer's place. remarks: (what to say of all such layers, what of this one)."""

    module: nn.Module
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FactorMethod(ModelMethod):
    """Replaces each layer that it acts on by a module that holds fewer numbers, or leaves it whole and says why."""

    sets = FACTORS
    grows = True

    @abstractmethod
    def factors(self, module: nn.Module, layer: Layer, context: Context) -> Found | str:
        """What takes the place of `module`, which is never grouped, by the layer's own knobs; or why nothing does."""

    def apply(self, model: Compressed, context: Context) -> Compressed:
        targets, fixed = chosen(self, model, context), fixtures(model.network, context.input_shape)
        remarks: dict[str, list[str]] = {}
        for i, layer in enumerate(targets):
            context.progress(f"{self.title}: {layer.name}", i / len(targets))
            module = model.network.get_submodule(layer.name)
            why = fixed.get(layer.name) or (_GROUPED if is_grouped(module) else "")
            found = why or self.at(layer.name, context).factors(module, layer, context)
            if isinstance(found, str):
                model.note(f"{self.id()} left {layer.name} whole: {found}.")
                continue
            model.replace(layer, found.module)
            for what, here in found.remarks:
                remarks.setdefault(what, []).append(f"{layer.name} ({here})")
        for what, where in remarks.items():
            model.note(f"{self.id()} {what}: {', '.join(where)}.")
        return model


def is_grouped(module: nn.Module) -> bool:
    """Whether a convolution does not read every input channel for every output."""
    return isinstance(module, nn.Conv2d) and module.groups > 1
