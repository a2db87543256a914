"""MobileNet: a depthwise and a 1x1 convolution in place of each 3x3 one, 1 / cout + 1 / 9 of its cost.

The paper's stem halves its 224x224 images; for 32x32 it keeps their size. `mobilenet_v1:0.5` has half of the
channels everywhere (the paper's alpha), and so about a quarter of the parameters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from torch import nn

from ._parts import conv_norm, scores_of
from ._spec import NetworkSpec, Shape, of_width

_CHANNELS = (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
_SMALL_IMAGES = (1, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


def mobilenet_v1(
    width: float = 1.0, classes: int = 10, *, channels: int = 3, strides: Sequence[int] = _SMALL_IMAGES
) -> nn.Module:
    """(n, channels, h, w) -> (n, classes) logits. width: share of the paper's filters; strides: of stem and blocks."""
    cin = int(32 * width)
    parts = OrderedDict[str, nn.Module](stem=conv_norm(channels, cin, 3, stride=strides[0]))
    for i, (channels, stride) in enumerate(zip(_CHANNELS, strides[1:], strict=True), 1):
        cout = int(channels * width)
        parts[f"depthwise{i}"] = conv_norm(cin, cin, 3, stride=stride, groups=cin)
        parts[f"pointwise{i}"] = conv_norm(cin, cout, 1)
        cin = cout
    return nn.Sequential(parts | scores_of(cin, classes))


def _make(width: float, shape: Shape, classes: int) -> nn.Module:
    return mobilenet_v1(width, classes, channels=shape[0])


SPEC = NetworkSpec(
    name="mobilenet_v1",
    title="MobileNet V1 (CIFAR)",
    citation="Howard et al. 2017, MobileNets: efficient convolutional neural networks for mobile vision applications, "
    "arXiv:1704.04861.",
    input_shape=(3, 32, 32),
    classes=10,
    make=partial(_make, 1.0),
    parameters=3_217_226,
    macs=46_354_432,
    argument="WIDTH",
)


def variant(argument: str) -> NetworkSpec:
    """`mobilenet_v1:WIDTH`; WorkbenchError for a width that cannot be."""
    return of_width(SPEC, argument, _make)
