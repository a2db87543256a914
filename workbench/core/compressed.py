"""A network on its way through the steps: what runs, how it is stored, and why."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from .encoded import Encoded
from .errors import WorkbenchError
from .records import Decision

CONV, LINEAR = "conv", "linear"


@dataclass(frozen=True)
class Layer:
    """A module with a weight that methods act on; `index` counts them in definition order from 0 to count - 1."""

    name: str
    kind: str
    index: int
    count: int

    @property
    def tensor(self) -> str:
        """The name of its weight in the state dict."""
        return f"{self.name}.weight"


def layers_of(network: nn.Module) -> list[Layer]:
    """The convolution and linear layers of a network, in definition order."""
    kinds = {nn.Conv2d: CONV, nn.Linear: LINEAR}
    found = [(name, kinds[type(m)]) for name, m in network.named_modules() if type(m) in kinds]
    return [Layer(name, kind, i, len(found)) for i, (name, kind) in enumerate(found)]


@dataclass
class Compressed:
    """network: runs, in eval mode, with exactly what `encoded` decodes to.

    encoded: tensor name -> how it is stored; a tensor that is absent is stored as plain float32.
    decisions: why, per layer. notes: sentences about what did not happen as asked.
    """

    network: nn.Module
    encoded: dict[str, Encoded] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, network: nn.Module) -> Compressed:
        """An independent copy of `network`, nothing compressed yet; refuses weights that are not finite."""
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise WorkbenchError(f"{name} holds values that are not finite; only finite weights can be compressed.")
        return cls(copy.deepcopy(network).eval())

    def copy(self) -> Compressed:
        """Independent of this one: steps may change it freely."""
        return replace(self, network=copy.deepcopy(self.network), encoded=dict(self.encoded))

    def weight(self, layer: Layer) -> Tensor:
        """The weight that runs now, detached: (out, in, ...)."""
        weight = self.network.get_submodule(layer.name).weight
        assert isinstance(weight, Tensor)
        return weight.detach()

    def stored(self, layer: Layer) -> Encoded:
        """How the layer's weight is stored now."""
        known = self.encoded.get(layer.tensor)
        return Encoded.dense(self.weight(layer).cpu().numpy()) if known is None else known

    def store(self, layer: Layer, encoded: Encoded) -> None:
        """From now on the layer is stored so, and runs with what that decodes to."""
        self.encoded[layer.tensor] = encoded
        with torch.no_grad():
            self.weight(layer).copy_(torch.from_numpy(np.ascontiguousarray(encoded.decode())))

    def note(self, sentence: str) -> None:
        self.notes = (*self.notes, sentence)
