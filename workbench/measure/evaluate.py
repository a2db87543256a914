"""One forward pass over a batch, ready for counting: the right layout, no gradient, the caller's network untouched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..core.compressed import copied
from ..core.context import Batch
from ..core.errors import WorkbenchError

CHUNK = 128
"""Images of one forward pass: the fastest of 32 to 256 on CPUs for the bundled networks."""


def fast_copy(network: nn.Module) -> nn.Module:
    """An independent copy in eval mode whose 4-D weights lie channels last, which halves the time of convolutions."""
    twin = copied(network).eval()
    for tensor in (*twin.parameters(), *twin.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return twin


def lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    """Lay the 4-D tensors of `network` out so, in place."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.ndim == 4:  # a 1 x 1 kernel counts as laid out in every way, and only a copy has the strides
            tensor.data = tensor.data.clone(memory_format=layout)


def layout_for(network: nn.Module, images: Tensor) -> torch.memory_format:
    """Channels last, which is fast, unless the network's `view` wants rows in order. images: (n, ...)."""
    twin = fast_copy(network)
    try:
        scores(twin, laid_out(images, device_of(twin)))
    except RuntimeError as error:
        return torch.contiguous_format if "view" in str(error) else torch.channels_last
    return torch.channels_last


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; every module's own training flag comes back afterwards."""
    flags = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


def device_of(network: nn.Module) -> torch.device:
    """Where its tensors lie; the CPU when it has none."""
    for tensor in (*network.parameters(), *network.buffers()):
        return tensor.device
    return torch.device("cpu")


def laid_out(images: Tensor, device: torch.device) -> Tensor:
    """The same images on `device`, channels last when they have channels. images: (n, ...)."""
    if images.ndim != 4:
        return images.to(device)
    # A grey image counts as contiguous in both layouts, and then kernels take the slow one: only strides can tell.
    return torch.empty_like(images, device=device, memory_format=torch.channels_last).copy_(images)


class Chunks:
    """A batch in pieces of one forward pass, laid out when they are asked for: a whole split may not fit in memory."""

    def __init__(self, batch: Batch, device: torch.device) -> None:
        self._batch, self._device = batch, device

    def __len__(self) -> int:
        return -(-len(self._batch.labels) // CHUNK)

    def images(self, i: int) -> Tensor:
        """(CHUNK, ...) on the device, fewer in the last piece."""
        return laid_out(self._batch.images[i * CHUNK : (i + 1) * CHUNK], self._device)

    def labels(self, i: int) -> Tensor:
        """(CHUNK,) int64."""
        return self._batch.labels[i * CHUNK : (i + 1) * CHUNK]


def scores(network: nn.Module, images: Tensor) -> Tensor:
    """What the network answers, without a gradient. images: (n, ...) -> (n, classes)."""
    with torch.inference_mode():
        answer: Tensor = network(images)
        return answer


def check_fit(network: nn.Module, batch: Batch) -> int:
    """The number of scores per image; WorkbenchError when images or labels do not fit the (evaluated) network.

    A network whose `view` wants rows to lie in order is told to lay them out so from now on.
    """
    n = len(batch.images)
    if n == 0 or len(batch.labels) != n:
        raise WorkbenchError(f"There must be one label for each of at least one image; got {n}, {len(batch.labels)}.")
    one = laid_out(batch.images[:1], device_of(network))
    try:
        answer = _answer_in_some_layout(network, one)
    except (RuntimeError, ValueError, IndexError) as error:
        shape = tuple(batch.images.shape[1:])
        raise WorkbenchError(
            f"Images of shape {shape} do not fit this network: {_misfit(network, one, error)}."
        ) from None
    if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != 1:
        raise WorkbenchError("A network that is measured must answer one row of class scores per image.")
    low, high = int(batch.labels.min()), int(batch.labels.max())
    if low < 0 or high >= answer.shape[1]:
        raise WorkbenchError(
            f"Labels must lie in [0, {answer.shape[1] - 1}] for this network; they span {low} to {high}."
        )
    return answer.shape[1]


def _answer_in_some_layout(network: nn.Module, images: Tensor) -> Tensor:
    try:
        return scores(network, images)
    except RuntimeError as error:
        if "view" not in str(error):
            raise
    lay_out(network, torch.contiguous_format)
    network.register_forward_pre_hook(_in_rows)
    return scores(network, images)


def _in_rows(_network: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(images.clone(memory_format=torch.contiguous_format) for images in given)


def _misfit(network: nn.Module, images: Tensor, error: Exception) -> str:
    """Which module could not take what it was given; torch's own words name neither."""
    entered: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def note(name: str, module: nn.Module, given: tuple[object, ...]) -> None:
        entered.extend((name, module, tuple(t.shape[1:])) for t in given[:1] if isinstance(t, Tensor))

    leaves = [(name, m) for name, m in network.named_modules() if not any(m.children())]
    hooks = [m.register_forward_pre_hook(lambda m, given, name=name: note(name, m, given)) for name, m in leaves]
    try:
        scores(network, images)
    except (RuntimeError, ValueError, IndexError):
        pass
    finally:
        for hook in hooks:
            hook.remove()
    if not entered:
        return str(error).splitlines()[0].rstrip(".")
    name, module, shape = entered[-1]
    for attribute, unit, axis in (
        ("in_channels", "channels", 0),
        ("num_features", "channels", 0),
        ("in_features", "values", -1),
    ):
        if getattr(module, attribute, shape[axis]) != shape[axis]:
            return f"{name} takes {getattr(module, attribute)} {unit} and is given {shape[axis]}"
    return f"{name or 'it'} cannot take {shape}"
