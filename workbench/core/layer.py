"""Which parts of a network methods act on, and which names stand for one and the same tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

CONV, LINEAR = "conv", "linear"
KINDS = {nn.Conv2d: CONV, nn.Linear: LINEAR}


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
    """The convolution and linear layers of a network, in definition order; a weight that two share counts once.

    What is left out, and why, is what `survey` tells.
    """
    found: dict[int, tuple[str, str]] = {}
    for name, module in network.named_modules():
        if acts_on(module):
            found.setdefault(id(module.weight), (name, KINDS[type(module)]))
    return [Layer(name, kind, i, len(found)) for i, (name, kind) in enumerate(found.values())]


def acts_on(module: nn.Module) -> bool:
    """Whether methods act on the weight of a module: exactly torch's layer, with a plain float32 weight of its own."""
    weight = module._parameters.get("weight")
    return type(module) in KINDS and weight is not None and weight.dtype == torch.float32 and not is_lazy(module)


def is_lazy(module: nn.Module) -> bool:
    """Whether a module still waits for its first image to learn its shapes."""
    held = (*module._parameters.values(), *module._buffers.values())
    return any(nn.parameter.is_lazy(tensor) for tensor in held if tensor is not None)


def tensors_of(network: nn.Module) -> list[tuple[tuple[str, ...], Tensor]]:
    """Every floating tensor of the state dict, once, with all its names, in the state dict's order.

    Several names mean one module that stands in two places, or two modules that share a parameter. Integer tensors,
    such as BatchNorm's counters, are left out.
    """
    found: dict[int, tuple[list[str], Tensor]] = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            found.setdefault(id(tensor), ([], tensor))[0].append(name)
    return [(tuple(names), tensor.detach()) for names, tensor in found.values()]


def paths_of(network: nn.Module, module: nn.Module) -> tuple[str, ...]:
    """Every path at which `module` stands in `network`."""
    return tuple(path for path, other in network.named_modules(remove_duplicate=False) if other is module)


def weight_of(network: nn.Module, layer: Layer) -> Tensor:
    """The layer's weight as it runs: (out, in, ...)."""
    weight = network.get_submodule(layer.name).weight
    assert isinstance(weight, Tensor)
    return weight


def put(network: nn.Module, path: str, module: nn.Module) -> None:
    """`module` in the place of what stands at `path`, and wherever else the same module stands."""
    for place in paths_of(network, network.get_submodule(path)):
        parent, _, name = place.rpartition(".")
        setattr(network.get_submodule(parent), name, module)
