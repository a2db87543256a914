"""Convolutions that run one after the other in the place of one, each an ordinary torch layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .plain import conv_of_spec, spec_of_conv

PARTS = ("first", "vertical", "horizontal", "core", "last")
"""What a part may be called: into fewer channels, down, across, the kernel between fewer channels, out of them."""


class ConvChain(nn.Module):
    """`parts` in their order, nothing between them; the bias is in the last one."""

    def __init__(self, parts: Mapping[str, nn.Conv2d]) -> None:
        super().__init__()
        assert parts and set(parts) <= set(PARTS)
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.children():
            x = part(x)
        return x

    def spec(self) -> dict[str, Any]:
        """Plain data for `of_spec`."""
        return {"parts": [[name, _spec(part)] for name, part in self.named_children()]}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> ConvChain:
        parts = [(str(name), part) for name, part in spec["parts"]]
        names = [name for name, _ in parts]
        if not names or len(set(names)) < len(names) or not set(names) <= set(PARTS):
            raise ValueError(f"parts among {', '.join(PARTS)} expected, got {names}")
        return cls({name: conv_of_spec(part) for name, part in parts})


def _spec(part: nn.Module) -> dict[str, Any]:
    assert isinstance(part, nn.Conv2d)
    return spec_of_conv(part)


def numbers(module: nn.Module) -> int:
    """How many weights a module holds, without biases."""
    return sum(p.numel() for name, p in module.named_parameters() if not name.endswith("bias"))


__all__ = ["PARTS", "ConvChain", "numbers"]
