"""ResNet-56 for 32x32 images."""

from __future__ import annotations

from torch import nn

from ._resnet import CITATION, resnet
from ._spec import NetworkSpec, Shape


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    return resnet(blocks=9, classes=classes, channels=shape[0])


SPEC = NetworkSpec(
    name="resnet56",
    title="ResNet-56 (CIFAR, projections)",
    citation=CITATION,
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=855_770,
    macs=125_747_840,
)
