"""A layer whose weight is a product of two smaller ones; both factors are ordinary torch layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .plain import padding_of, pair, sizes


class FactorisedLinear(nn.Module):
    """in -> rank -> out, the bias in the second factor. weight = second.weight @ first.weight."""

    def __init__(self, in_features: int, rank: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(in_features, rank, bias=False)
        self.second = nn.Linear(rank, out_features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return out

    def spec(self) -> dict[str, Any]:
        """Plain data for `of_spec`."""
        bias = self.second.bias is not None
        return {"sizes": [self.first.in_features, self.first.out_features, self.second.out_features], "bias": bias}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> FactorisedLinear:
        into, rank, out = sizes(spec["sizes"], 3)
        return cls(into, rank, out, bool(spec["bias"]))

    def product(self) -> Tensor:
        """The weight of the one layer that computes the same: (out, in)."""
        return self.second.weight @ self.first.weight


class FactorisedConv2d(nn.Module):
    """A convolution in -> rank, then one rank -> out.

    One of the two is 1 x 1: `wide_first` puts the kernel in the first factor, otherwise it is in the second.
    """

    def __init__(self, like: nn.Conv2d, rank: int, wide_first: bool) -> None:
        super().__init__()
        self.wide_first = wide_first
        wide: dict[str, Any] = {"stride": like.stride, "padding": like.padding, "dilation": like.dilation}
        wide["padding_mode"] = like.padding_mode
        size, bias = pair(like.kernel_size), like.bias is not None
        if wide_first:
            self.first = nn.Conv2d(like.in_channels, rank, size, bias=False, **wide)
            self.second = nn.Conv2d(rank, like.out_channels, 1, bias=bias)
        else:
            self.first = nn.Conv2d(like.in_channels, rank, 1, bias=False)
            self.second = nn.Conv2d(rank, like.out_channels, size, bias=bias, **wide)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return out

    def spec(self) -> dict[str, Any]:
        """Plain data for `of_spec`."""
        wide = self.first if self.wide_first else self.second
        return {
            "sizes": [self.first.in_channels, self.first.out_channels, self.second.out_channels],
            "kernel": list(wide.kernel_size),
            "stride": list(wide.stride),
            "padding": wide.padding if isinstance(wide.padding, str) else list(wide.padding),
            "padding_mode": wide.padding_mode,
            "dilation": list(wide.dilation),
            "bias": self.second.bias is not None,
            "wide_first": self.wide_first,
        }

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> FactorisedConv2d:
        cin, rank, cout = sizes(spec["sizes"], 3)
        kernel, stride, dilation = (pair(spec[k]) for k in ("kernel", "stride", "dilation"))
        padding = padding_of(spec["padding"])
        mode: Any = str(spec.get("padding_mode", "zeros"))
        with torch.device("meta"):
            like = nn.Conv2d(cin, cout, kernel, stride, padding, dilation, bias=bool(spec["bias"]), padding_mode=mode)
        return cls(like, rank, bool(spec["wide_first"]))

    def product(self) -> Tensor:
        """The kernel of the one convolution that computes the same: (out, in, kh, kw)."""
        if self.wide_first:
            return torch.einsum("or,rihw->oihw", self.second.weight[:, :, 0, 0], self.first.weight)
        return torch.einsum("orhw,ri->oihw", self.second.weight, self.first.weight[:, :, 0, 0])
