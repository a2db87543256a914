"""Parameters and multiply-accumulates of a network that is only known by name; nothing is allocated for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def counts(build: Callable[[], nn.Module], input_shape: Sequence[int]) -> tuple[int, int]:
    """(learned values, multiply-accumulates of one image); convolutions and linear layers count, as in the papers."""
    with torch.device("meta"):
        network, image = build().eval(), torch.zeros(1, *input_shape)
    macs = [0]

    def add(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        macs[0] += out.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(add)
    with torch.no_grad():
        network(image)
    return sum(p.numel() for p in network.parameters()), macs[0]
