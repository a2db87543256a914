"""A depthwise separable convolution: every channel by itself, then 1 x 1 across channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .plain import along, conv_of_spec, pointwise, put_weight, spec_of_conv


class SeparableConv2d(nn.Module):
    """`depthwise`, BatchNorm and ReLU where `between`, `pointwise`, which has the bias."""

    norm: nn.BatchNorm2d | None
    relu: nn.ReLU | None

    def __init__(self, depthwise: nn.Conv2d, into: nn.Conv2d, between: bool) -> None:
        super().__init__()
        self.depthwise = depthwise
        self.norm, self.relu = (nn.BatchNorm2d(depthwise.out_channels), nn.ReLU()) if between else (None, None)
        self.pointwise = into

    @classmethod
    def like(cls, conv: nn.Conv2d, between: bool) -> SeparableConv2d:
        """In the place of `conv`, weights not yet set; the depthwise kernel moves as its kernel does."""
        cin = conv.in_channels
        depthwise = along(conv, (0, 1), (cin, cin), groups=cin)
        return cls(depthwise, pointwise(cin, conv.out_channels, conv.bias is not None), between)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(x)
        if self.norm is not None and self.relu is not None:
            x = self.relu(self.norm(x))
        out: Tensor = self.pointwise(x)
        return out

    def spec(self) -> dict[str, Any]:
        """Plain data for `of_spec`."""
        parts = {"depthwise": spec_of_conv(self.depthwise), "pointwise": spec_of_conv(self.pointwise)}
        return {**parts, "between": self.norm is not None}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> SeparableConv2d:
        depthwise, into = conv_of_spec(spec["depthwise"]), conv_of_spec(spec["pointwise"])
        return cls(depthwise, into, bool(spec["between"]))

    def set_nearest(self, conv: nn.Conv2d) -> None:
        """The weights whose product with nothing between them is nearest to the kernel of `conv`, and its bias."""
        depth, point = nearest_separable(conv.weight.detach())
        put_weight(self.depthwise, depth)
        put_weight(self.pointwise, point, conv.bias)


def nearest_separable(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """d, p with p[o, i] d[i] nearest to kernel[o, i] in squared error: the leading singular pair for every input.

    kernel: (out, in, kh, kw) -> (in, kh, kw), (out, in); the d of an input has the norm of its p, and a sum of
    0 or more, so that what leaves it is no more often negative than need be.
    """
    u, s, vh = torch.linalg.svd(kernel.double().flatten(2).transpose(0, 1), full_matrices=False)
    root, turn = s[:, :1].sqrt(), torch.where(vh[:, 0].sum(1) < 0, -1.0, 1.0)[:, None]
    depth, point = turn * root * vh[:, 0], turn * root * u[:, :, 0]
    return depth.reshape(kernel.shape[1:]).to(kernel.dtype), point.T.to(kernel.dtype)
