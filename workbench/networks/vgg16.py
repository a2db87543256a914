"""VGG-16 for 32x32 images: thirteen 3x3 convolutions, then 512 hidden units, all with BatchNorm.

The head is that of Li et al. 2017 (15 M parameters, 313 M multiply-accumulates); the 224x224 network with its 138 M
parameters is `torchvision/vgg16`.
"""

from __future__ import annotations

from torch import nn

from ._spec import NetworkSpec, Shape
from ._vgg import CITATION, vgg

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, height, width) -> (n, classes) logits."""
    return vgg(shape, classes, stages=_STAGES, hidden=512)


SPEC = NetworkSpec(
    name="vgg16",
    title="VGG-16 (CIFAR, BN)",
    citation=f"{CITATION} Head as in Li, Kadav, Durdanovic, Samet and Graf 2017, Pruning filters for efficient "
    "ConvNets, arXiv:1608.08710.",
    input_shape=(3, 32, 32),
    classes=10,
    make=_make,
    parameters=14_987_210,
    macs=313_463_808,
)
