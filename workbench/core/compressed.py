"""A network on its way through the steps: what runs, how it is stored, and why."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from .encoded import Encoded
from .errors import WorkbenchError
from .layer import CONV, LINEAR, Layer, layers_of, put, tensors_of, weight_of
from .notes import with_note
from .records import Decision
from .survey import BLOCKS, Uncompressed, survey

__all__ = ["CONV", "LINEAR", "Compressed", "Layer", "Uncompressed", "layers_of", "survey", "weight_of"]


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
        """An independent copy of `network`, nothing compressed yet.

        WorkbenchError for weights that are not finite, and for parts that no file could hold.
        """
        for part in survey(network):
            if part.role == BLOCKS:
                raise WorkbenchError(f"{part.name} ({part.kind}) keeps this network from being stored: {part.reason}.")
        for names, tensor in tensors_of(network):
            if not bool(torch.isfinite(tensor).all()):
                raise WorkbenchError(
                    f"{names[0]} holds values that are not finite; only finite weights can be compressed."
                )
        return cls(copied(network).eval())

    def copy(self) -> Compressed:
        """Independent of this one: steps may change it freely."""
        return replace(self, network=copied(self.network), encoded=dict(self.encoded))

    def weight(self, layer: Layer) -> Tensor:
        """The weight that runs now, detached: (out, in, ...)."""
        return weight_of(self.network, layer).detach()

    def stored(self, part: Layer | str) -> Encoded:
        """How a layer's weight, or a parameter by its name (`fc1.bias`), is stored now."""
        known = self.encoded.get(_tensor(part))
        return Encoded.dense(self._parameter(part).cpu().numpy()) if known is None else known

    def store(self, part: Layer | str, encoded: Encoded) -> None:
        """From now on the layer's weight, or the parameter, is stored so, and runs with what that decodes to."""
        self.encoded[_tensor(part)] = encoded
        with torch.no_grad():
            self._parameter(part).copy_(torch.from_numpy(np.asarray(encoded.decode(), order="C")))

    def _parameter(self, part: Layer | str) -> Tensor:
        return self.network.get_parameter(_tensor(part)).detach()

    def replace(self, layer: Layer, module: nn.Module) -> None:
        """`module` runs in the layer's place from now on, wherever the layer stands in the network."""
        put(self.network, layer.name, module.eval())

    def note(self, sentence: str) -> None:
        """One more sentence; layers that were left whole for the same reason share one."""
        self.notes = with_note(self.notes, sentence)


def _tensor(part: Layer | str) -> str:
    return part if isinstance(part, str) else part.tensor


def copied(network: nn.Module) -> nn.Module:
    """An independent copy; WorkbenchError for a network that Python cannot copy.

    Weights that a hook computes and leaves on the module are copied as values: torch refuses to copy them as they are.
    """
    computed = [t for m in network.modules() for t in vars(m).values() if isinstance(t, Tensor) and not t.is_leaf]
    try:
        return copy.deepcopy(network, {id(t): t.detach().clone() for t in computed})
    except Exception as error:  # copying runs anybody's code
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise WorkbenchError(f"This network cannot be copied, and so not be compressed: {reason}.") from None
