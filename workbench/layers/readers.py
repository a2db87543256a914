"""Who reads a unit: the layers that multiply it by weights of their own, where it ends."""

from __future__ import annotations

from torch import Tensor, nn

from .channels import IN, Group


def readers_of(network: nn.Module, group: Group) -> dict[str, Tensor]:
    """Layer -> the unit that each of its inputs belongs to, (inputs,), -1 for one of another group.

    Whoever hands units on, as a depthwise convolution or a BatchNorm does, is no reader.
    """
    places = {m.module: m.units for m in group.members if m.side == IN}
    return {name: units for name, units in places.items() if _reads(network.get_submodule(name))}


def _reads(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
