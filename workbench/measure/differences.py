"""Which parts of a compressed network are not those of the dense one. In doubt, a part differs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .trace import Parts, attribute

_HELD = {"_parameters", "_buffers", "_modules", "training"}


def differences(dense: nn.Module, other: nn.Module, parts: Parts) -> Parts | None:
    """The parts of `other`, by path, that differ from those of `dense` in type, settings, shape or values.

    parts: the paths to look at. None when what holds the parts together differs, so that the operations of the
    dense network say nothing about the other one.
    """
    inside = tuple(f"{path}." for path in parts)
    ours, theirs = _firsts(dense), _firsts(other)
    for name, module in dense.named_modules(remove_duplicate=False):
        if name.startswith(inside):
            continue
        if theirs.get(name) != ours[name] or (
            name not in parts and not _same_holder(module, other.get_submodule(name))
        ):
            return None
    pairs = ((path, attribute(dense, path), attribute(other, path)) for path in parts)
    return {path: new for path, old, new in pairs if not same_part(old, new)}


def same_part(ours: nn.Module | Tensor, theirs: nn.Module | Tensor) -> bool:
    """Whether two modules compute the same, or two tensors hold the same."""
    if isinstance(ours, Tensor) or isinstance(theirs, Tensor):
        return _same(ours, theirs)
    names = [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    return names and all(map(_same_module, ours.modules(), theirs.modules()))


def _firsts(network: nn.Module) -> dict[str, str]:
    """Path -> the first path of the same module: which modules are shared is part of what a network computes."""
    first: dict[nn.Module, str] = {}
    return {name: first.setdefault(module, name) for name, module in network.named_modules(remove_duplicate=False)}


def _same_holder(ours: nn.Module, theirs: nn.Module) -> bool:
    return _same_settings(ours, theirs) and _names(ours) == _names(theirs)


def _names(module: nn.Module) -> list[set[str]]:
    return [set(held) for held in (module._modules, module._parameters, module._buffers)]


def _same_module(ours: nn.Module, theirs: nn.Module) -> bool:
    return _same_settings(ours, theirs) and all(
        a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
        for a, b in ((ours._parameters, theirs._parameters), (ours._buffers, theirs._buffers))
    )


def _same_settings(ours: nn.Module, theirs: nn.Module) -> bool:
    a, b = ({k: v for k, v in vars(m).items() if k not in _HELD} for m in (ours, theirs))
    return type(ours) is type(theirs) and a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)
    try:
        return type(a) is type(b) and bool(a == b)
    except (RuntimeError, ValueError):  # a container of arrays, which have no single answer
        return False
