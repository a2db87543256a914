"""SqueezeNet: fire modules squeeze to few channels, then widen with 1x1 and 3x3 convolutions side by side.

Version 1.1 without its first two halvings, for 32x32 images. The class scores are means of the last maps; the
ReLU over those maps is left out, since it can silence a class for good.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from ._spec import NetworkSpec, Shape

_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class Fire(nn.Module):
    """(n, cin, h, w) -> (n, 2 * wide, h, w) through `narrow` channels."""

    def __init__(self, cin: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze, self.relu1 = nn.Conv2d(cin, narrow, 1), nn.ReLU()
        self.expand1, self.relu2 = nn.Conv2d(narrow, wide, 1), nn.ReLU()
        self.expand3, self.relu3 = nn.Conv2d(narrow, wide, 3, padding=1), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.squeeze(x))
        return torch.cat([self.relu2(self.expand1(x)), self.relu3(self.expand3(x))], 1)


def squeezenet(classes: int = 10, channels: int = 3) -> nn.Module:
    """(n, channels, h, w) -> (n, classes) logits."""
    parts = OrderedDict[str, nn.Module](conv1=nn.Conv2d(channels, 64, 3, padding=1), relu1=nn.ReLU())
    cin = 64
    for i, (narrow, wide) in enumerate(_FIRES, 2):
        if i in (2, 4, 6):
            parts[f"pool{i // 2}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        parts[f"fire{i}"] = Fire(cin, narrow, wide)
        cin = 2 * wide
    last = {"drop": nn.Dropout(0.5), "conv10": nn.Conv2d(cin, classes, 1)}
    return nn.Sequential(parts | last | {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()})


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    return squeezenet(classes, shape[0])


SPEC = NetworkSpec(
    name="squeezenet",
    title="SqueezeNet 1.1 (CIFAR)",
    citation="Iandola, Han, Moskewicz, Ashraf, Dally and Keutzer 2016, SqueezeNet: AlexNet-level accuracy with 50x "
    "fewer parameters, arXiv:1602.07360.",
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=727_626,
    macs=23_511_040,
)
