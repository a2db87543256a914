"""Which layers another module may stand in for: those of which the network asks nothing but their answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from ..core.compressed import layers_of
from ..core.layer import put
from .architecture import Architecture, owners_of
from .watch import beside


def fixtures(network: nn.Module, input_shape: Sequence[int]) -> Mapping[str, str]:
    """Layer -> why no other module may take its place; layers that may be replaced are not in it.

    input_shape: (channels, height, width). Found by running the network once with something in every layer's place
    that notices who asks for more than its answer; remembered per architecture.
    """
    return _found(Architecture(network, tuple(input_shape)))


@lru_cache(maxsize=64)
def _found(arch: Architecture) -> Mapping[str, str]:
    network, owners = beside(arch.network).eval(), owners_of(arch.network)
    arch.network = nn.Module()  # the key needs no weights
    stands, runs = dict[str, _Stand](), Counter[str]()
    for layer in layers_of(network):
        module = network.get_submodule(layer.name)
        module.register_forward_pre_hook(lambda _m, _x, name=layer.name: runs.update([name]))
        stands[layer.name] = _Stand(module)
    for name, stand in stands.items():
        put(network, name, stand)
    failure = _failure(network, arch.input_shape)
    why = {name: failure or _why(stand, runs[name]) or _tied(name, stand, owners) for name, stand in stands.items()}
    return {name: reason for name, reason in why.items() if reason}


class _Stand(nn.Module):
    """Stands where a layer stood, and runs it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.calls, self.asked = layer, 0, ""

    def forward(self, *args: Any) -> Any:
        self.calls += 1
        return self.layer(*args)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            value = getattr(self.layer, name)
            self.asked = self.asked or name
            return value


def _failure(network: nn.Module, input_shape: Sequence[int]) -> str:
    image = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            network(image)
    except Exception as error:  # forward code of any kind
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        return f"the network does not run with anything else in its place ({reason})"
    return ""


def _why(stand: _Stand, runs: int) -> str:
    if stand.asked:
        return f"the network takes its {stand.asked} directly, which nothing in its place would have"
    if runs > stand.calls:
        return "the network also holds it in a plain list or attribute, where nothing else can take its place"
    return ""


def _tied(name: str, stand: _Stand, owners: Mapping[int, list[str]]) -> str:
    own = f"{name}.weight"
    other = next((n for n in owners[id(stand.layer.weight)] if n != own), "")
    return f"its weight is {other} as well, which would no longer be the same" if other else ""
