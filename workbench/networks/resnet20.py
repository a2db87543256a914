"""ResNet-20 for 32x32 images."""

from __future__ import annotations

from torch import nn

from ._resnet import CITATION, resnet
from ._spec import NetworkSpec, Shape


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    return resnet(blocks=3, classes=classes, channels=shape[0])


SPEC = NetworkSpec(
    name="resnet20",
    title="ResNet-20 (CIFAR, projections)",
    citation=CITATION,
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=272_474,
    macs=40_813_184,
)
