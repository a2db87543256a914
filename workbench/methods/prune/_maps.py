"""The feature maps that a layer's units give, as its readers see them: behind norm and sum, up to the activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...core.progress import Progress
from ...layers.watch import beside, tensors_in

CHUNK = 32
"""Images of one forward pass: all maps of one chunk are in memory while it runs."""

_ACTIVATIONS = {
    *("relu", "relu_", "relu6", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "selu_"),
    *("celu", "celu_", "gelu", "silu", "mish", "hardswish", "prelu", "rrelu", "softplus", "threshold", "threshold_"),
    *(
        "tanh",
        "tanh_",
        "sigmoid",
        "sigmoid_",
        "hardsigmoid",
        "clamp",
        "clamp_",
        "clamp_min",
        "clamp_min_",
        "logsigmoid",
    ),
}
_PASSES = {
    *("batch_norm", "instance_norm", "group_norm", "add", "add_", "sub", "sub_", "contiguous", "to", "dropout"),
    *("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "lp_pool2d", "dropout2d", "pad"),
}

Reduce = Callable[[Tensor], Tensor]
"""(n, units, ...) -> (n, units)."""


def per_map(
    network: nn.Module, images: Tensor, names: Sequence[str], reduce: Reduce, progress: Progress
) -> dict[str, Tensor]:
    """`reduce` of the maps of each layer: name -> (images, units); a layer that runs twice has the mean of both.

    The network stays as it is. Raises Cancelled within one chunk of images.
    """
    twin = beside(network).eval()
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    for i, chunk in enumerate(torch.split(images, CHUNK)):
        progress("Looking at feature maps", i * CHUNK / len(images))
        with torch.no_grad(), _Followed(twin, names, reduce) as followed:
            twin(chunk)
        for name, values in followed.values.items():
            found[name].append(torch.stack(values).mean(0))
    return {name: torch.cat(parts) if parts else torch.zeros(0) for name, parts in found.items()}


class _Followed(TorchFunctionMode):
    """Follows what a layer gives from operation to operation; reduced at once, since a later one may overwrite it."""

    def __init__(self, network: nn.Module, names: Sequence[str], reduce: Reduce) -> None:
        super().__init__()
        self.network, self.reduce = network, reduce
        self.carried: dict[int, tuple[Tensor, tuple[str, ...]]] = {}
        self.values: dict[str, list[Tensor]] = {name: [] for name in names}
        self.handles = [network.get_submodule(n).register_forward_hook(self._starts(n)) for n in names]

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)  # type: ignore[no-untyped-call]
        for handle in self.handles:
            handle.remove()
        if failure[0] is None:
            for tensor, names in self.carried.values():
                self._keep(tensor, names)
        self.carried.clear()

    def _starts(self, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _given: Any, output: Tensor) -> None:
            self.carried[id(output)] = output, (name,)

        return hook

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(t): t for t in tensors_in((args, kwargs)) if id(t) in self.carried}
        out = func(*args, **(kwargs or {}))
        if not given or not isinstance(out, Tensor):
            return out
        carried = [self.carried.pop(key) for key in given]
        names = tuple(dict.fromkeys(name for _, own in carried for name in own))
        operation = getattr(func, "__name__", "")
        if operation in _PASSES:
            self.carried[id(out)] = out, names
        elif operation in _ACTIVATIONS:
            self._keep(out, names)
        else:
            for tensor, own in carried:
                self._keep(tensor, own)
        return out

    def _keep(self, maps: Tensor, names: Sequence[str]) -> None:
        for name in names:
            units = len(self.network.get_submodule(name).weight)  # type: ignore[arg-type]
            last = maps.shape[1] != units and maps.shape[-1] == units  # a linear layer that reads tokens
            self.values[name].append(self.reduce(maps.movedim(-1, 1) if last else maps))
