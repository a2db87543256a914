"""Taking units out of a network, or silencing them where they are."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .group import IN, OUT, Group, is_depthwise

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
Kept = dict[tuple[str, str], Tensor]
"""(module, side) -> which positions of that dimension stay, bool."""


def kept_positions(choices: Iterable[tuple[Group, Tensor]]) -> Kept:
    """What stays of every dimension when each group keeps its units; several groups may share a dimension."""
    kept: Kept = {}
    for group, keep in choices:
        assert bool(keep.any()), "a layer keeps at least one unit"
        for member in group.members:
            place = member.module, member.side
            stays = member.kept(keep)
            kept[place] = kept[place] & stays if place in kept else stays
    return kept


def shrink(network: nn.Module, kept: Kept) -> None:
    """Take everything else out of `network`, in place."""
    depthwise = {name for name, _ in kept if is_depthwise(network.get_submodule(name))}
    for (name, side), stays in kept.items():
        module = network.get_submodule(name)
        if bool(stays.all()) or (side == IN and name in depthwise):  # a depthwise layer shrinks with its outputs
            continue
        if isinstance(module, _NORMS):
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                _select(module, tensor, stays, 0)
            module.num_features = int(stays.sum())
            continue
        _select(module, "weight", stays, 0 if side == OUT else 1)
        if side == OUT:
            _select(module, "bias", stays, 0)
        _resize(module, side, int(stays.sum()))


def silence(network: nn.Module, group: Group, keep: Tensor) -> None:
    """Zero what the units of a group produce and leave them in place. keep: (units,) bool."""
    with torch.no_grad():
        for member in group.members:
            module = network.get_submodule(member.module)
            if member.side == OUT or isinstance(module, _NORMS):
                for name in ("weight", "bias"):
                    if getattr(module, name) is not None:
                        getattr(module, name)[~member.kept(keep)] = 0


def _select(module: nn.Module, name: str, kept: Tensor, dim: int) -> None:
    old = getattr(module, name, None)
    if old is None:
        return
    new = old.detach().index_select(dim, torch.nonzero(kept).flatten()).clone()
    if isinstance(old, nn.Parameter):
        setattr(module, name, nn.Parameter(new, requires_grad=old.requires_grad))
    else:
        module.register_buffer(name, new)


def _resize(module: nn.Module, side: str, size: int) -> None:
    if isinstance(module, nn.Linear):
        setattr(module, f"{side}_features", size)
        return
    if isinstance(module, nn.Conv2d) and is_depthwise(module):
        module.in_channels = module.groups = size
    setattr(module, f"{side}_channels", size)
