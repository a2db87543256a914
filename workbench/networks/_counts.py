"""Parameters and multiply-accumulates of a network that is only known by name; nothing is allocated for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def counts(build: Callable[[], nn.Module], input_shape: Sequence[int]) -> tuple[int, int]:
    """(learned values, multiply-accumulates of one image); convolutions and linear layers count, as in the papers."""
    with torch.device("meta"), torch.no_grad():
        return counted_on(build().eval(), torch.zeros(1, *input_shape))


def counted_on(network: nn.Module, image: Tensor) -> tuple[int, int]:
    """The same for a network that is there. image: (1, channels, height, width). It is left without a hook."""
    macs = [0]

    def add(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        macs[0] += out.numel() * module.weight[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [m.register_forward_hook(add) for m in layers]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(p.numel() for p in network.parameters()), macs[0]
