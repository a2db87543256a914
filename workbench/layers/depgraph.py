"""Which channels belong together, found by torch-pruning's DepGraph (Fang et al. 2023, arXiv:2301.12900)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from ..core.compressed import copied
from .group import IN, OUT, Group, Member, is_depthwise, is_grouped, produces

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def depgraph_of(network: nn.Module, input_shape: Sequence[int]) -> list[Group]:
    """The groups that DepGraph finds, none where it fails. network: its tensors are only read."""
    twin = copied(network).eval().requires_grad_(True)  # DepGraph follows gradients
    names = {module: name for name, module in twin.named_modules()}
    held = {id(parameter): name for name, parameter in twin.named_parameters()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            example = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0))
            graph = tp.DependencyGraph().build_dependency(twin, example_inputs=example, verbose=False)
            raw = list(graph.get_all_groups(root_module_types=[nn.Conv2d, nn.Linear]))
            return [group for group in (_group(found, names, held) for found in raw) if group.producers]
    except Exception:  # DepGraph meets arbitrary forward code, and fails in as many ways
        return []


def _group(raw: Sequence[Any], names: Mapping[nn.Module, str], held: Mapping[int, str]) -> Group:
    members: list[Member] = []
    producers: list[str] = []
    refusal = ""
    for item in raw:
        module = item.dep.target.module
        if id(module) in held:
            refusal = refusal or f"its channels meet {held[id(module)]}, which no layer holds"
        if module not in names:  # an element-wise or reshaping operation: nothing to shrink
            continue
        side = OUT if "out_channels" in item.dep.handler.__name__ else IN
        if side == OUT and produces(module):
            producers.append(names[module])
        refusal = refusal or _why_not(module, names[module])
        if refusal:
            continue
        units = torch.full((_positions(module, side),), -1)
        places = torch.as_tensor(list(item.idxs))
        if int(places.max()) >= len(units):  # DepGraph counts wrongly where a concatenation is flattened
            refusal = f"which channels of {names[module]} belong to the same units cannot be told"
            continue
        units[places] = torch.as_tensor(list(item.root_idxs))
        members.append(Member(names[module], side, units))
    return Group(tuple(dict.fromkeys(producers)), len(raw[0].idxs), tuple(members), refusal)


def _positions(module: nn.Module, side: str) -> int:
    weight = module.weight
    assert isinstance(weight, Tensor), f"a {type(module).__name__} has no weight to narrow"
    return weight.shape[1 if side == IN and weight.ndim > 1 and not is_depthwise(module) else 0]


def _why_not(module: nn.Module, name: str) -> str:
    if is_grouped(module):
        return f"{name} is a grouped convolution, whose groups must stay equally wide"
    if isinstance(module, (nn.Conv2d, nn.Linear, *_NORMS)) and getattr(module, "weight", None) is not None:
        return ""
    return f"{name} is a {type(module).__name__}, which cannot be narrowed"
