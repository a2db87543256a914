"""A convolution as plain data, and back; sizes from a file are bounded before anything is built from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

_LIMIT = 2**16  # of any one size read from a file
_PADDING = 2**8  # of what is added around a map, which is as much memory as the map


def sizes(raw: Any, n: int) -> tuple[int, ...]:
    """n sizes from a file; ValueError for anything else."""
    found = tuple(raw)
    if len(found) != n or not all(type(s) is int and 0 <= s <= _LIMIT for s in found):
        raise ValueError(f"{n} sizes in [0, {_LIMIT}] expected, got {raw!r}")
    return found


def pair(raw: Any) -> tuple[int, int]:
    """Two sizes from a file; ValueError for anything else."""
    first, second = sizes(raw, 2)
    return first, second


def padding_of(raw: Any) -> Any:
    """A convolution's padding from a file: two sizes, or what torch calls it; ValueError for anything else."""
    if raw in ("same", "valid"):
        return raw
    found = sizes(raw, 2)
    if max(found) > _PADDING:
        raise ValueError(f"a padding of at most {_PADDING} expected, got {raw!r}")
    return found


def spec_of_conv(conv: nn.Conv2d) -> dict[str, Any]:
    """Plain data for `conv_of_spec`; what is as torch has it by default is left out."""
    spec: dict[str, Any] = {
        "channels": [conv.in_channels, conv.out_channels],
        "kernel": list(conv.kernel_size),
        "stride": list(conv.stride),
        "padding": conv.padding if isinstance(conv.padding, str) else list(conv.padding),
        "dilation": list(conv.dilation),
        "groups": conv.groups,
        "bias": conv.bias is not None,
        "padding_mode": conv.padding_mode,
    }
    return {key: value for key, value in spec.items() if value != _USUAL.get(key)}


_USUAL = {
    "kernel": [1, 1],
    "stride": [1, 1],
    "padding": [0, 0],
    "dilation": [1, 1],
    "groups": 1,
    "bias": False,
    "padding_mode": "zeros",
}


def conv_of_spec(spec: Mapping[str, Any]) -> nn.Conv2d:
    """The convolution that `spec_of_conv` described; ValueError, TypeError or KeyError when it describes none."""
    given = {**_USUAL, **spec}
    cin, cout = pair(given["channels"])
    kernel, stride, dilation = (pair(given[key]) for key in ("kernel", "stride", "dilation"))
    padding = padding_of(given["padding"])
    (groups,) = sizes([given["groups"]], 1)
    mode: Any = str(given["padding_mode"])
    return nn.Conv2d(cin, cout, kernel, stride, padding, dilation, groups, bool(given["bias"]), padding_mode=mode)


def pointwise(cin: int, cout: int, bias: bool = False) -> nn.Conv2d:
    """A 1 x 1 convolution."""
    return nn.Conv2d(cin, cout, 1, bias=bias)


def along(like: nn.Conv2d, axes: tuple[int, ...], channels: tuple[int, int], *, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that moves as `like` does in the given axes, 0 down and 1 across, and only there."""
    padding: Any = like.padding
    if not isinstance(padding, str):
        padding = _only(padding, axes, 0)
    kernel, stride, dilation = (_only(each, axes, 1) for each in (like.kernel_size, like.stride, like.dilation))
    moves: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    return nn.Conv2d(*channels, kernel, groups=groups, bias=False, padding_mode=like.padding_mode, **moves)


def _only(sizes: tuple[int, ...], axes: tuple[int, ...], other: int) -> tuple[int, int]:
    return (sizes[0] if 0 in axes else other, sizes[1] if 1 in axes else other)


def put_weight(conv: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Conv2d:
    """The same convolution, holding these values: weight of its shape in any layout, bias (out,)."""
    with torch.no_grad():
        conv.weight.copy_(weight.reshape(conv.weight.shape))
        if bias is not None:
            assert conv.bias is not None
            conv.bias.copy_(bias)
    return conv
