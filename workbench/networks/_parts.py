"""What several networks are made of: a convolution with its BatchNorm and, mostly, a ReLU, each a named module."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def conv_norm(
    cin: int, cout: int, kernel: int, *, stride: int = 1, groups: int = 1, relu: type[nn.Module] | None = nn.ReLU
) -> nn.Sequential:
    """conv, norm and relu; same padding, and no bias, since BatchNorm has one. relu: None leaves it out."""
    parts = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        norm=nn.BatchNorm2d(cout),
    )
    if relu is not None:
        parts["relu"] = relu()
    return nn.Sequential(parts)


def scores_of(channels: int, classes: int) -> OrderedDict[str, nn.Module]:
    """The usual end: the mean of each map, then one linear layer."""
    return OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(channels, classes))


def width_of(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, never under it and never more than 10 % below `channels`.

    MobileNets' rule for a width that is no whole number of channels.
    """
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * channels else nearest + divisor
