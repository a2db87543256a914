"""Network in Network for 32x32 images: 1x1 convolutions after each wide one, and no linear layer at all.

The class scores are the means of the last maps, one for each class. As in the paper there is no BatchNorm. The paper
has a ReLU after those maps too; it is left out, since it can silence a class for good.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ._spec import NetworkSpec, Shape

_CONVOLUTIONS = ((192, 5), (160, 1), (96, 1), (192, 5), (192, 1), (192, 1), (192, 3), (192, 1))
"""(filters, kernel) of all but the last, which has one for each class."""


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    parts, cin = OrderedDict[str, nn.Module](), shape[0]
    for i, (cout, kernel) in enumerate(_CONVOLUTIONS, 1):
        parts[f"conv{i}"] = nn.Conv2d(cin, cout, kernel, padding=kernel // 2)
        parts[f"relu{i}"] = nn.ReLU()
        if i == 3:
            parts |= {"pool1": nn.MaxPool2d(3, 2, ceil_mode=True), "drop1": nn.Dropout(0.5)}
        if i == 6:
            parts |= {"pool2": nn.AvgPool2d(3, 2, ceil_mode=True), "drop2": nn.Dropout(0.5)}
        cin = cout
    parts["conv9"] = nn.Conv2d(cin, classes, 1)
    return nn.Sequential(parts | {"pool3": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()})


SPEC = NetworkSpec(
    name="nin",
    title="Network in Network (CIFAR)",
    citation="Lin, Chen and Yan 2013, Network in network, arXiv:1312.4400.",
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=966_986,
    macs=222_486_528,
)
