"""A small VGG for 32x32 images: six 3x3 convolutions with BatchNorm, then two linear layers.

Surveys speak of "VGG-Small" without saying which; this one has about a million parameters, 38 % of them in fc1.
"""

from __future__ import annotations

from torch import nn

from ._spec import NetworkSpec
from ._vgg import CITATION, vgg


def _build() -> nn.Module:
    """(n, 3, 32, 32) -> (n, 10) logits."""
    return vgg(stages=((48, 48), (96, 96), (192, 192)), side=4, hidden=128, classes=10)


SPEC = NetworkSpec(
    name="vgg_small",
    title="VGG-Small (6 conv + 2 linear, BN)",
    citation=CITATION,
    input_shape=(3, 32, 32),
    classes=10,
    build=_build,
    parameters=1_040_218,
    macs=86_656_256,
)
