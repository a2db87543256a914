"""Which channels belong together: removing filter 3 here means removing column 3, or columns 48 to 63, there.

That is found out once per architecture: by following every channel through the operations, and where that ends by
torch-pruning's DepGraph (Fang et al. 2023, arXiv:2301.12900). The result is kept as plain index maps, so that masking
and removing never trace again, and is tried out: a group that computes something else without its units is left whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from torch import Tensor, nn

from ..core.compressed import Compressed
from ..core.encoded import Encoded
from ..core.values import Array
from .architecture import Architecture, owners_of
from .depgraph import depgraph_of
from .flow import ANSWER, flow_of
from .group import IN, OUT, Group, Member
from .shrink import Kept, kept_positions, shrink, silence
from .trial import Trial
from .watch import Watched, beside, watch

__all__ = ["IN", "OUT", "Group", "Member", "groups_of", "kept_positions", "shrink", "shrink_stored", "silence"]


def groups_of(network: nn.Module, input_shape: Sequence[int]) -> tuple[Group, ...]:
    """Every group of coupled output channels, in forward order; traced once per architecture.

    input_shape: (channels, height, width). WorkbenchError when the network cannot be traced.
    """
    return _traced(Architecture(network, tuple(input_shape)))


@lru_cache(maxsize=64)
def _traced(arch: Architecture) -> tuple[Group, ...]:
    network = beside(arch.network).eval()
    seen = watch(network, arch.input_shape)
    trial = Trial(network, arch.input_shape)
    order = {name: i for i, name in enumerate(seen.order)}
    groups = trial.tried(_usable(flow_of(network, seen, arch.input_shape), network, seen))
    if not seen.decides and any(g.refusal not in ("", ANSWER) for g in groups):
        groups = _with_more(groups, _usable(depgraph_of(network, arch.input_shape), network, seen), trial)
    arch.network = nn.Module()  # the key needs no weights
    return tuple(sorted(groups, key=lambda g: order.get(g.producers[0], len(order))))


def _with_more(groups: list[Group], others: list[Group], trial: Trial) -> list[Group]:
    """`groups`, and of `others` those that are free where the former are not."""
    taken = {name for group in groups if not group.refusal for name in group.producers}
    more = [g for g in trial.tried([g for g in others if not taken & set(g.producers)]) if not g.refusal]
    free = [g for g in groups if not g.refusal]
    if not more or trial.differ(free + more):
        return groups
    taken |= {name for group in more for name in group.producers}
    rest = [replace(g, producers=tuple(p for p in g.producers if p not in taken)) for g in groups if g.refusal]
    return [*free, *more, *(g for g in rest if g.producers)]


def _usable(groups: Iterable[Group], network: nn.Module, seen: Watched) -> list[Group]:
    """A refusal for groups with a single unit, and with weights that are not their layer's alone."""
    owners = owners_of(network)
    return [replace(g, refusal=g.refusal or _why_not_alone(g, network, seen, owners)) for g in groups]


def _why_not_alone(group: Group, network: nn.Module, seen: Watched, owners: Mapping[int, list[str]]) -> str:
    if group.count < 2:
        return "it has a single unit"
    if not seen.repeats:
        return "the network answers differently each time it is asked, so that nothing can be compared"
    for member in group.members:
        module = network.get_submodule(member.module)
        if "weight" not in module._parameters:
            return f"the weight of {member.module} is computed from other values each time it runs"
        for key, parameter in module._parameters.items():
            names = [] if parameter is None else [n for n in owners[id(parameter)] if n != f"{member.module}.{key}"]
            read = seen.reads.get(f"{member.module}.{key}")
            if names:
                return f"{member.module}.{key} is {names[0]} as well, which would shrink along"
            if read:
                return f"{member.module}.{key} is also given to {read[0]}, outside of {member.module}"
    return ""


def shrink_stored(model: Compressed, kept: Kept) -> None:
    """`shrink` for a network on its way through the steps: the supports of its stored tensors shrink along."""
    shrink(model.network, kept)
    supports: dict[str, Array] = {}
    for (name, side), stays in kept.items():
        old = model.encoded.get(f"{name}.weight")
        if old is not None:
            whole = supports.get(name, np.ones(old.shape, bool) if old.keep is None else old.keep)
            supports[name] = whole.compress(stays.numpy(), axis=0 if side == OUT else 1)
    for name, support in supports.items():
        weight = model.network.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        model.encoded[f"{name}.weight"] = Encoded.dense(weight.detach().numpy()).restrict(support)
