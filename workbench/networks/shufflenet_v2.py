"""ShuffleNet V2: half of the channels pass by untouched, the other half is filtered, then both are shuffled.

For 32x32 images the stem keeps the size. Inside a unit channels can be removed; those that are split and shuffled
cannot, since each must stay in its place.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from ._parts import conv_norm, scores_of
from ._spec import NetworkSpec, Shape

_STAGES = ((116, 4), (232, 8), (464, 4))


def _branch(cin: int, cout: int, stride: int) -> nn.Sequential:
    parts = OrderedDict[str, nn.Module](
        first=conv_norm(cin, cout, 1),
        depthwise=conv_norm(cout, cout, 3, stride=stride, groups=cout, relu=None),
        last=conv_norm(cout, cout, 1),
    )
    return nn.Sequential(parts)


class Unit(nn.Module):
    """(n, c, h, w) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = _branch(channels // 2, channels // 2, 1)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        passed, filtered = x.chunk(2, 1)
        out: Tensor = self.shuffle(torch.cat([passed, self.branch(filtered)], 1))
        return out


class HalvingUnit(nn.Module):
    """(n, cin, h, w) -> (n, cout, h / 2, w / 2); both halves are filtered."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        beside = OrderedDict[str, nn.Module](
            depthwise=conv_norm(cin, cin, 3, stride=2, groups=cin, relu=None), last=conv_norm(cin, cout // 2, 1)
        )
        self.beside = nn.Sequential(beside)
        self.branch = _branch(cin, cout // 2, 2)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shuffle(torch.cat([self.beside(x), self.branch(x)], 1))
        return out


def shufflenet_v2(classes: int = 10, channels: int = 3) -> nn.Module:
    """(n, channels, h, w) -> (n, classes) logits."""
    parts, cin = OrderedDict[str, nn.Module](stem=conv_norm(channels, 24, 3)), 24
    for i, (cout, units) in enumerate(_STAGES, 2):
        parts[f"stage{i}"] = nn.Sequential(HalvingUnit(cin, cout), *(Unit(cout) for _ in range(units - 1)))
        cin = cout
    parts["head"] = conv_norm(cin, 1024, 1)
    return nn.Sequential(parts | scores_of(1024, classes))


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    return shufflenet_v2(classes, shape[0])


SPEC = NetworkSpec(
    name="shufflenet_v2",
    title="ShuffleNet V2 (CIFAR)",
    citation="Ma, Zhang, Zheng and Sun 2018, ShuffleNet V2: practical guidelines for efficient CNN architecture "
    "design, arXiv:1807.11164.",
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=1_263_854,
    macs=45_002_112,
)
