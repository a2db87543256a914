"""Layers that a network can do without: those of a branch whose result is added to what the branch was given.

Found by running the network: whose result is added, what no longer has a say in the answer when that result is zero,
and whether the network without all this computes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..core.compressed import copied
from ..core.layer import acts_on, put
from .absent import Absent
from .architecture import Architecture
from .watch import Watched, beside, watch

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_KEEPS_ZERO = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.ReLU, nn.ReLU6)


@dataclass(frozen=True)
class Branch:
    """modules: all that goes, in forward order; the last one gives what is added. layers: those of them to rank."""

    modules: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def end(self) -> str:
        return self.modules[-1]


def branches_of(network: nn.Module, input_shape: Sequence[int]) -> tuple[Branch, ...]:
    """Every branch that can go, in forward order; input_shape: (channels, height, width). Found once per architecture.

    A branch gives the shape that it is given, consists of convolutions, linear layers and BatchNorm, each of which runs
    once, and the answer still depends on the image without it.
    """
    return _found(Architecture(network, tuple(input_shape)))


def take_out(network: nn.Module, branch: Branch) -> None:
    """The branch contributes nothing and costs nothing; the shortcut beside it stays."""
    for name in branch.modules:
        put(network, name, Absent(ends=name == branch.end))


def silence_branch(network: nn.Module, branch: Branch) -> None:
    """The branch contributes zeros and is left in place."""
    with torch.no_grad():
        for name in {branch.layers[-1], branch.end}:
            for parameter in network.get_submodule(name)._parameters.values():
                if parameter is not None:
                    parameter.zero_()


@lru_cache(maxsize=64)
def _found(arch: Architecture) -> tuple[Branch, ...]:
    network, image = copied(arch.network).eval().requires_grad_(True), torch.rand(1, *arch.input_shape)
    seen = watch(network, arch.input_shape)
    arch.network = nn.Module()  # the key needs no weights
    if seen.decides or not seen.repeats:
        return ()
    try:
        added, all_alive = _added(network, image), _alive(network, image)
    except Exception:  # anybody's forward; some cannot be differentiated
        return ()
    found = (_branch(network, seen, end, shape, all_alive, image) for end, shape in added.items())
    return tuple(branch for branch in found if branch is not None)


def _branch(
    network: nn.Module, seen: Watched, end: str, shape: tuple[int, ...], all_alive: set[str], image: Tensor
) -> Branch | None:
    """What goes when `end`, which gives `shape`, gives zeros; None where that cannot go."""
    with _zeros_from(network, end):
        alive = _alive(network, image)
        expected = network(image)
    owners = {name.rpartition(".")[0] for name in all_alive - alive}
    modules = tuple(name for name in seen.order if name in owners)
    layers = tuple(name for name in modules if acts_on(network.get_submodule(name)))
    fits = "" in alive and layers and modules[-1] == end and seen.inputs[modules[0]] == (shape,)
    if not fits or not all(_may_go(network.get_submodule(name)) and seen.calls[name] == 1 for name in modules):
        return None
    branch, rest = Branch(modules, layers), beside(network)
    take_out(rest, branch)
    try:
        same = torch.allclose(expected, rest(image), rtol=1e-4, atol=1e-5)
    except Exception:  # a forward that asks its layers for more than their answer
        return None
    return branch if same else None


def _may_go(module: nn.Module) -> bool:
    return acts_on(module) or (isinstance(module, _NORMS) and module.weight is not None)


def _alive(network: nn.Module, image: Tensor) -> set[str]:
    """Parameters that have a say in the answer; "" for the image itself."""
    image = image.clone().requires_grad_(True)
    held = {"": image, **dict(network.named_parameters())}
    answer: Tensor = network(image)
    grads = torch.autograd.grad(answer.sum(), list(held.values()), allow_unused=True)
    return {name for name, grad in zip(held, grads, strict=True) if grad is not None}


def _added(network: nn.Module, image: Tensor) -> dict[str, tuple[int, ...]]:
    """Layers, or the BatchNorm behind them, whose result meets a sum, and the shape of it."""
    with _Sums(network) as sums, torch.no_grad():
        network(image)
    return {name: shape for name, shape in sums.found.items() if name}


@contextmanager
def _zeros_from(network: nn.Module, name: str) -> Iterator[None]:
    hook = network.get_submodule(name).register_forward_hook(lambda _m, _given, out: torch.zeros_like(out))
    try:
        yield
    finally:
        hook.remove()


class _Sums(TorchFunctionMode):
    """Knows which layer made a tensor, also behind what keeps zero at zero, and notices when it is added."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.hooks = network, list[Any]()
        self.made: dict[int, tuple[Tensor, str]] = {}  # tensors are held, so that no other gets the same id
        self.found: dict[str, tuple[int, ...]] = {}

    def __enter__(self) -> _Sums:
        for name, module in self.network.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear, *_NORMS, *_KEEPS_ZERO)):
                self.hooks.append(module.register_forward_hook(self._noting(name)))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)  # type: ignore[no-untyped-call]
        for hook in self.hooks:
            hook.remove()

    def _noting(self, name: str) -> Callable[..., None]:
        def note(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            before = self.made.get(id(given[0]), (None, ""))[1]
            known = name if acts_on(module) or (before and isinstance(module, _NORMS)) else before
            self.made[id(out)] = out, known

        return note

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "").strip("_") in ("add", "radd", "iadd"):
            for tensor in args[:2]:
                if id(tensor) in self.made:
                    self.found.setdefault(self.made[id(tensor)][1], tuple(tensor.shape))
        return func(*args, **(kwargs or {}))
