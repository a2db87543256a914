"""A small VGG for 32x32 images: six 3x3 convolutions with BatchNorm, then two linear layers.

Surveys speak of "VGG-Small" without saying which; this one has about a million parameters, 38 % of them in fc1.
"""

from __future__ import annotations

from torch import nn

from ._spec import NetworkSpec, Shape
from ._vgg import CITATION, vgg


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    return vgg(shape, classes, stages=((48, 48), (96, 96), (192, 192)), hidden=128)


SPEC = NetworkSpec(
    name="vgg_small",
    title="VGG-Small (6 conv + 2 linear, BN)",
    citation=CITATION,
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=1_040_218,
    macs=86_656_256,
)
