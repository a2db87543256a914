"""Which channels belong together: removing filter 3 here means removing column 3, or columns 48 to 63, there.

torch-pruning's DepGraph finds that out once per architecture (Fang et al. 2023, arXiv:2301.12900), and where it
cannot, plain chains are found without it. The result is kept as plain index maps, so that masking and removing never
trace again, and is tried out: a group that computes something else without its units is left whole.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
import torch_pruning as tp
from torch import Tensor, nn

from ..core.compressed import Compressed
from ..core.encoded import Encoded
from ..core.layer import tensors_of
from ..core.values import Array
from .flow import flow_of
from .group import IN, OUT, Group, Member, is_depthwise, is_grouped, produces
from .watch import Watched, beside, tensors_in, watch

__all__ = ["IN", "OUT", "Group", "Member", "groups_of", "kept_positions", "shrink", "shrink_stored", "silence"]
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_PLAIN = (bool, int, float, str, tuple, list, dict, type(None))


def groups_of(network: nn.Module, input_shape: Sequence[int]) -> tuple[Group, ...]:
    """Every group of coupled output channels, in forward order; traced once per architecture.

    input_shape: (channels, height, width). WorkbenchError when the network cannot be traced.
    """
    return _traced(_Architecture(network, tuple(input_shape)))


class _Architecture:
    """A cache key: two networks with equal module trees and shapes share their groups."""

    def __init__(self, network: nn.Module, input_shape: tuple[int, ...]) -> None:
        self.network, self.input_shape = network, input_shape
        shapes = tuple((name, tuple(t.shape)) for name, t in (*network.named_parameters(), *network.named_buffers()))
        self.key = (type(network), repr(network), shapes, input_shape, getattr(network, ADOPTED, None))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Architecture) and self.key == other.key


def _settings(network: nn.Module) -> str:
    """Plain attributes of modules that people wrote: their forward may do something else with other values."""
    own = [(name, m) for name, m in network.named_modules() if not type(m).__module__.startswith("torch.")]
    plain = [(name, {k: v for k, v in vars(m).items() if k[:1] != "_" and isinstance(v, _PLAIN)}) for name, m in own]
    return repr([(name, kept) for name, kept in plain if kept != {"training": False}])


def _ties(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    return tuple(names for names, _ in tensors_of(network) if len(names) > 1)


@lru_cache(maxsize=64)
def _traced(arch: _Architecture) -> tuple[Group, ...]:
    network = beside(arch.network).eval()
    seen = watch(network, arch.input_shape)
    order = {name: i for i, name in enumerate(seen.order)}
    own = _tried(_refused(flow_of(network, seen, arch.input_shape), network, seen), network, arch.input_shape)
    foreign = [] if seen.decides else _tried(_depgraph(network, arch, order), network, arch.input_shape)
    groups = sorted(_merged(own, foreign, network, arch), key=lambda g: order.get(g.producers[0], len(order)))
    arch.network = nn.Module()  # the key needs no weights
    return tuple(groups)


def _group(raw: Sequence[tuple[object, list[int]]], names: Mapping[nn.Module, str], order: Mapping[str, int]) -> Group:
    members: list[Member] = []
    producers: list[str] = []
    refusal = ""
    for item in raw:
        module = item.dep.target.module
        if module not in names:  # an element-wise or reshaping operation: nothing to shrink
            continue
        side = OUT if "out_channels" in item.dep.handler.__name__ else IN
        if side == OUT and isinstance(module, nn.Conv2d | nn.Linear) and not _depthwise(module):
            producers.append(names[module])
        why = _why_not(module, names[module])
        if why:
            refusal = refusal or why
            continue
        units = torch.full((_positions(module, side),), -1)
        places = torch.as_tensor(list(item.idxs))
        if int(places.max()) >= len(units):  # DepGraph counts wrongly where a concatenation is flattened
            refusal = refusal or f"which channels of {names[module]} belong to the same units cannot be told"
            continue
        units[places] = torch.as_tensor(list(item.root_idxs))
        members.append(Member(names[module], side, units))
    producers.sort(key=lambda name: order.get(name, 0))
    return Group(tuple(producers), len(raw[0].idxs), tuple(members), refusal)


def _positions(module: nn.Module, side: str) -> int:
    weight = getattr(module, "weight", None)
    assert isinstance(weight, Tensor), f"a {type(module).__name__} has no weight to narrow"
    return weight.shape[1 if side == IN and weight.ndim > 1 and not _depthwise(module) else 0]


def _why_not(module: nn.Module, name: str) -> str:
    if isinstance(module, nn.Conv2d) and module.groups > 1 and not _depthwise(module):
        return f"{name} is a grouped convolution, whose groups must stay equally wide"
    if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm1d | nn.BatchNorm2d):
        return ""
    return f"{name} is a {type(module).__name__}, which cannot be narrowed"


def _depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


def _tried(groups: Iterable[Group], network: nn.Module, input_shape: Sequence[int]) -> list[Group]:
    """Groups with a refusal where removing units stops the network or is not the same as silencing them.

    All but the last, which mostly is the answer itself, are tried at once; only when that goes wrong each one is.
    """
    groups = [replace(g, refusal=g.refusal or _single(g)) for g in groups]
    free = [group for group in groups if not group.refusal]
    suspects = free if _differ(free[:-1], network, input_shape) else free[-1:]
    why = {id(group): _why_whole(group, network, input_shape) for group in suspects}
    return [replace(group, refusal=group.refusal or why.get(id(group), "")) for group in groups]


def _single(group: Group) -> str:
    return f"{group.producers[0]} has a single unit" if group.count < 2 else ""


def _why_whole(group: Group, network: nn.Module, input_shape: Sequence[int]) -> str:
    example, keep = torch.zeros(1, *input_shape), torch.ones(group.count, dtype=torch.bool)
    keep[0] = False
    smaller = _beside(network)
    shrink(smaller, kept_positions([(group, keep)]))
    try:
        with torch.no_grad():
            same = smaller(example).shape == network(example).shape
    except (RuntimeError, ValueError) as error:
        return f"the network stops without a unit of it ({str(error).splitlines()[0]})"
    if not same:
        return f"{group.producers[0]} gives the network's answer, one unit for each class"
    counts = "taking units out changes more than their own share, so something behind them counts or compares channels"
    return counts if _differ([group], network, input_shape) else ""


def _beside(network: nn.Module) -> nn.Module:
    """A copy to shrink, which shares the tensors: shrinking replaces tensors and never writes into them."""
    return copy.deepcopy(network, {id(t): t for t in (*network.parameters(), *network.buffers())})


def _differ(groups: Sequence[Group], network: nn.Module, input_shape: Sequence[int]) -> bool:
    """Whether every third unit removed and every third unit silenced are two different networks."""
    choices = [(group, torch.arange(group.count) % 3 != 1) for group in groups]
    silenced, smaller = copy.deepcopy(network), _beside(network)
    for group, keep in choices:
        silence(silenced, group, keep)
    shrink(smaller, kept_positions(choices))
    x = torch.rand(2, *input_shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            a, b = silenced(x), smaller(x)
    except (RuntimeError, ValueError):
        return True
    return a.shape != b.shape or not torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max()))


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
    for (name, side), stays in kept.items():
        module = network.get_submodule(name)
        if bool(stays.all()) or (side == IN and _depthwise(module)):  # a depthwise layer shrinks with its outputs
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


def shrink_stored(model: Compressed, kept: Kept) -> None:
    """`shrink` for a network on its way through the steps: the supports of its stored tensors shrink along."""
    shrink(model.network, kept)
    supports: dict[str, Array] = {}
    for (name, side), stays in kept.items():
        old = model.encoded.get(f"{name}.weight")
        if old is not None and old.keep is not None:
            whole = supports.get(name, old.keep)
            supports[name] = whole.compress(stays.numpy(), axis=0 if side == OUT else 1)
    for name, support in supports.items():
        weight = model.network.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        model.encoded[f"{name}.weight"] = Encoded.dense(weight.detach().numpy()).restrict(support)


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
    if _depthwise(module):
        module.in_channels = module.groups = size
    setattr(module, f"{side}_channels", size)
