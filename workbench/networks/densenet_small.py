"""DenseNet-BC with 40 layers and growth 12: every layer sees the maps of all layers before it in its block.

BatchNorm and ReLU stand before each convolution, so that each reader of a map scales it in its own way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._parts import scores_of
from ._spec import NetworkSpec, Shape


class Layer(nn.Module):
    """(n, cin, h, w) -> (n, cin + growth, h, w): what came in, then the new maps."""

    def __init__(self, cin: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(cin), nn.ReLU()
        self.conv1 = nn.Conv2d(cin, 4 * growth, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(4 * growth), nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))], 1)


def densenet(growth: int, blocks: Sequence[int], start: int, classes: int = 10, *, channels: int = 3) -> nn.Module:
    """(n, channels, h, w) -> (n, classes) logits. blocks: layers of each; start: filters of the first convolution."""
    parts, cin = OrderedDict[str, nn.Module](conv1=nn.Conv2d(channels, start, 3, padding=1, bias=False)), start
    for i, layers in enumerate(blocks, 1):
        parts[f"block{i}"] = nn.Sequential(*(Layer(cin + j * growth, growth) for j in range(layers)))
        cin += layers * growth
        parts |= {f"norm{i}": nn.BatchNorm2d(cin), f"relu{i}": nn.ReLU()}
        if i < len(blocks):
            parts |= {f"narrow{i}": nn.Conv2d(cin, cin // 2, 1, bias=False), f"pool{i}": nn.AvgPool2d(2)}
            cin //= 2
    return nn.Sequential(parts | scores_of(cin, classes))


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    return densenet(growth=12, blocks=(6, 6, 6), start=24, classes=classes, channels=shape[0])


SPEC = NetworkSpec(
    name="densenet_small",
    title="DenseNet-BC (40 layers, growth 12)",
    citation="Huang, Liu, van der Maaten and Weinberger 2017, Densely connected convolutional networks, "
    "arXiv:1608.06993.",
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=176_122,
    macs=72_365_352,
)
