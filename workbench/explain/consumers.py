"""What the layers behind lose without a unit: how far their outputs move."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..core.progress import Progress
from ..core.units import Consumer
from ..layers.channels import Group
from ..layers.readers import readers_of
from ..measure.evaluate import CHUNK, device_of, fast_copy, laid_out


def consumers(network: nn.Module, images: Tensor, group: Group, unit: int, progress: Progress) -> tuple[Consumer, ...]:
    """Every layer that reads a unit of the group, in forward order, before its activation.

    images: (n, channels, height, width). Only what the unit gives directly is taken away. Raises Cancelled within one
    chunk of images.
    """
    runner = fast_copy(network)
    seen = {name: _Shift(runner.get_submodule(name), own == unit) for name, own in readers_of(runner, group).items()}
    try:
        for i, chunk in enumerate(torch.split(laid_out(images, device_of(runner)), CHUNK)):
            progress("What the layers behind lose", i * CHUNK / len(images))
            with torch.inference_mode():
                runner(chunk)
    finally:
        for shift in seen.values():
            shift.handle.remove()
    return tuple(shift.consumer(name) for name, shift in seen.items() if shift.ran)


class _Shift:
    """Adds up what a layer gives, and what of it comes from the inputs that are `own`."""

    def __init__(self, module: nn.Module, own: Tensor) -> None:
        self.part = fast_copy(module)
        with torch.no_grad():
            self.part.weight[:, ~own] = 0  # type: ignore[operator]
            if self.part.bias is not None:
                self.part.bias.zero_()  # type: ignore[operator]
        self.ran = False
        self.whole = self.lost = torch.zeros(())
        self.handle = module.register_forward_hook(self._hear)

    def _hear(self, _module: nn.Module, given: Any, output: Tensor) -> None:
        lost = self.part(given[0])
        spare = tuple(d for d in range(output.ndim) if d != (1 if output.ndim == 4 else output.ndim - 1))
        self.whole = self.whole + output.double().square().sum(spare)
        self.lost = self.lost + lost.double().square().sum(spare)
        self.ran = True

    def consumer(self, name: str) -> Consumer:
        each = (self.lost / self.whole.clamp_min(1e-30)).sqrt()
        hardest = int(each.argmax())
        both = float((self.lost.sum() / self.whole.sum().clamp_min(1e-30)).sqrt())
        return Consumer(name, both, hardest, float(each[hardest]))
