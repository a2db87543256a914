"""One forward pass, watched: what runs, how often, who reads which weight, and what decides by values."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..core.errors import WorkbenchError

_DECIDES = {
    "__bool__",
    "item",
    "__int__",
    "__float__",
    "__index__",
    "tolist",
    "numpy",
    "nonzero",
    "unique",
    "is_nonzero",
}
_LOOKS = {"__get__", "size", "dim", "numel", "type", "is_floating_point", "__len__", "stride", "is_contiguous"}
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Watched:
    """What a random image showed.

    order: modules as they first ran, where values decide also on three more images. calls: module -> how often on the
    first. within: module -> the modules it always ran inside.
    inputs: module -> the shapes it was first given. decides: modules whose code asks for values. reads: parameter ->
    functions it was given to outside the layer that holds it. foreign: parameters used that the network does not hold.
    repeats: whether it answers twice the same. answer: the shapes it answers.
    """

    order: tuple[str, ...]
    calls: Mapping[str, int]
    within: Mapping[str, frozenset[str]]
    inputs: Mapping[str, tuple[Shape, ...]]
    decides: tuple[str, ...]
    reads: Mapping[str, tuple[str, ...]]
    foreign: int
    repeats: bool
    answer: tuple[Shape, ...]


def watch(network: nn.Module, input_shape: Sequence[int]) -> Watched:
    """Run a copy of `network` on a random image of (channels, height, width); WorkbenchError when it fails."""
    twin = beside(network).eval()
    x = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            with _Seen(twin) as seen:
                first = tensors_in(twin(x.clone()))
                calls = dict(seen.calls)
                for other in (torch.zeros_like(x), torch.ones_like(x), 4 * x - 2) if seen.decides else ():
                    twin(other)
            second = tensors_in(twin(x.clone()))
    except Exception as error:  # forward code of any kind
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise WorkbenchError(f"This network does not run on an image of {tuple(input_shape)}: {reason}.") from None
    return seen.watched(calls, first, second)


def beside(network: nn.Module) -> nn.Module:
    """A copy that shares the tensors: whoever shrinks it replaces tensors and never writes into them."""
    held = [t for m in network.modules() for t in (*m._parameters.values(), *m._buffers.values(), *vars(m).values())]
    return copy.deepcopy(network, {id(t): t for t in held if isinstance(t, Tensor)})


def tensors_in(value: object) -> list[Tensor]:
    """Every tensor in a nest of tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for inner in value for t in tensors_in(inner)] if isinstance(value, list | tuple) else []


class _Seen(TorchFunctionMode):
    """Between torch's functions and whoever calls them; the stack says which module's code that is."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.order: dict[str, None] = {}
        self.calls: Counter[str] = Counter()
        self.within: dict[str, frozenset[str]] = {}
        self.inputs: dict[str, tuple[Shape, ...]] = {}
        self.decides: dict[str, None] = {}
        self.reads: dict[str, dict[str, None]] = {}
        self.foreign: dict[int, nn.Parameter] = {}
        self.names = {id(p): name for name, p in network.named_parameters()}
        self.inside: dict[int, set[str]] = {}
        for path, module in network.named_modules():
            for parameter in module._parameters.values():
                if type(module).__module__.startswith("torch."):
                    self.inside.setdefault(id(parameter), set()).add(path)
        self.network, self.handles = network, list[Any]()

    def __enter__(self) -> _Seen:
        for name, module in self.network.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                self.handles += self._hooks(name, module)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)  # type: ignore[no-untyped-call]
        for handle in self.handles:
            handle.remove()

    def _hooks(self, name: str, module: nn.Module) -> Iterator[Any]:
        def enter(_m: nn.Module, args: Any, kwargs: Any) -> None:
            self.order.setdefault(name)
            self.calls[name] += 1
            self.within[name] = self.within.get(name, frozenset(self.stack)) & frozenset(self.stack)
            self.inputs.setdefault(name, tuple(tuple(t.shape) for t in tensors_in((args, kwargs))))
            self.stack.append(name)

        def leave(_m: nn.Module, _args: Any, _out: Any) -> None:
            self.stack.pop()

        yield module.register_forward_pre_hook(enter, with_kwargs=True)
        yield module.register_forward_hook(leave, always_call=True)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        here, name = self.stack[-1] if self.stack else "", getattr(func, "__name__", "")
        if name in _DECIDES:
            self.decides.setdefault(here)
        for tensor in tensors_in((args, kwargs)) if name not in _LOOKS else ():
            if id(tensor) in self.names:
                if here not in self.inside.get(id(tensor), ()):
                    self.reads.setdefault(self.names[id(tensor)], {}).setdefault(name)
            elif isinstance(tensor, nn.Parameter):
                self.foreign[id(tensor)] = tensor
        return func(*args, **(kwargs or {}))

    def watched(self, calls: Mapping[str, int], first: Sequence[Tensor], second: Sequence[Tensor]) -> Watched:
        return Watched(
            order=tuple(self.order),
            calls=calls,
            within=self.within,
            inputs=self.inputs,
            decides=tuple(self.decides),
            reads={name: tuple(functions) for name, functions in self.reads.items()},
            foreign=len(self.foreign),
            repeats=len(first) == len(second) and all(map(torch.allclose, first, second)),
            answer=tuple(tuple(t.shape) for t in first),
        )


def run_by(network: nn.Module, images: Tensor) -> frozenset[str]:
    """The modules that at least one of the images makes run. images: (n, channels, height, width)."""
    twin, ran = beside(network).eval(), set[str]()
    for name, module in twin.named_modules():
        module.register_forward_pre_hook(lambda _m, _given, name=name: ran.add(name))
    with torch.no_grad():
        twin(images)
    return frozenset(ran)
