"""MobileNet V2, small: blocks that widen six times, filter depthwise, and narrow again without a ReLU.

Half of the paper's channels, the last layer's included, for 32x32 images: the stem and the last halving keep the
size, so the last maps are 4x4. `mobilenet_v2:1` has the paper's channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from ._parts import conv_norm, scores_of, width_of
from ._spec import NetworkSpec, Shape, of_width

_STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
"""(widening, channels, blocks) of each stage."""
_SMALL_IMAGES = (1, 1, 2, 2, 2, 1, 1, 1)


class InvertedResidual(nn.Module):
    """(n, cin, h, w) -> (n, cout, h / stride, w / stride), with a shortcut where the two are alike."""

    def __init__(self, cin: int, cout: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = cin * widening
        self.expand: nn.Module = nn.Identity() if widening == 1 else conv_norm(cin, wide, 1, relu=nn.ReLU6)
        self.depthwise = conv_norm(wide, wide, 3, stride=stride, groups=wide, relu=nn.ReLU6)
        self.project = conv_norm(wide, cout, 1, relu=None)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


def mobilenet_v2(
    width: float = 0.5, classes: int = 10, *, channels: int = 3, strides: Sequence[int] = _SMALL_IMAGES
) -> nn.Module:
    """(n, channels, h, w) -> (n, classes) logits. width: share of the paper's filters; strides: of stem and stages."""
    cin, last = width_of(32 * width), width_of(1280 * width)
    parts = OrderedDict[str, nn.Module](stem=conv_norm(channels, cin, 3, stride=strides[0], relu=nn.ReLU6))
    for i, ((widening, channels, blocks), stride) in enumerate(zip(_STAGES, strides[1:], strict=True), 1):
        stage, cout = nn.Sequential(), width_of(channels * width)
        for block in range(blocks):
            stage.append(InvertedResidual(cin, cout, stride if block == 0 else 1, widening))
            cin = cout
        parts[f"stage{i}"] = stage
    parts["head"] = conv_norm(cin, last, 1, relu=nn.ReLU6)
    return nn.Sequential(parts | scores_of(last, classes))


def _make(width: float, shape: Shape, classes: int) -> nn.Module:
    return mobilenet_v2(width, classes, channels=shape[0])


SPEC = NetworkSpec(
    name="mobilenet_v2",
    title="MobileNet V2 (0.5, CIFAR)",
    citation="Sandler, Howard, Zhu, Zhmoginov and Chen 2018, MobileNetV2: inverted residuals and linear bottlenecks, "
    "arXiv:1801.04381.",
    input_shape=(3, 32, 32),
    classes=10,
    make=partial(_make, 0.5),
    parameters=590_410,
    macs=12_338_944,
    argument="WIDTH",
)


def variant(argument: str) -> NetworkSpec:
    """`mobilenet_v2:WIDTH`; WorkbenchError for a width that cannot be."""
    return of_width(SPEC, argument, _make)
