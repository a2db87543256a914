"""Units that live and die together, as plain index maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

OUT, IN = "out", "in"


@dataclass(frozen=True, eq=False)
class Member:
    """One dimension of one module that shrinks with the group.

    units: (positions,) the unit that each position belongs to, -1 for a position of another group, as after a
    concatenation.
    """

    module: str
    side: str
    units: Tensor

    def kept(self, keep: Tensor) -> Tensor:
        """Positions that stay. keep: (units,) bool -> (positions,) bool."""
        return torch.where(self.units >= 0, keep[self.units.clamp_min(0)], True)


@dataclass(frozen=True, eq=False)
class Group:
    """Units that live and die together. producers: the layers whose outputs they are, in forward order.

    refusal: why none of them can be taken out, or "".
    """

    producers: tuple[str, ...]
    count: int
    members: tuple[Member, ...]
    refusal: str = ""


def is_depthwise(module: nn.Module) -> bool:
    """Whether every channel is convolved by itself, so that outputs go when inputs do."""
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels > 1


def is_grouped(module: nn.Module) -> bool:
    """Whether a convolution works on blocks of several channels."""
    return isinstance(module, nn.Conv2d) and module.groups > 1 and not is_depthwise(module)


def produces(module: nn.Module | None) -> bool:
    """Whether a module makes units of its own."""
    return isinstance(module, nn.Conv2d | nn.Linear) and not is_depthwise(module)
