"""Stages of 3x3 convolutions, each ending in a 2x2 maximum, then two linear layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from ._spec import Shape

CITATION = "Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale image recognition, \
arXiv:1409.1556; BatchNorm after every weight but the last, Ioffe and Szegedy 2015."


def vgg(shape: Shape, classes: int, *, stages: Sequence[Sequence[int]], hidden: int) -> nn.Module:
    """(n, *shape) -> (n, classes) logits. stages: filters of each convolution. Larger images widen fc1's input."""
    parts, cin, i = OrderedDict[str, nn.Module](), shape[0], 0
    for stage, widths in enumerate(stages, 1):
        for cout in widths:
            i += 1
            parts[f"conv{i}"] = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
            parts[f"bn{i}"] = nn.BatchNorm2d(cout)
            parts[f"relu{i}"] = nn.ReLU()
            cin = cout
        parts[f"pool{stage}"] = nn.MaxPool2d(2)
    parts["flatten"] = nn.Flatten()
    pixels = (shape[1] >> len(stages)) * (shape[2] >> len(stages))  # of the last map; without any the pools refuse
    parts["fc1"] = nn.Linear(cin * max(1, pixels), hidden, bias=False)
    parts[f"bn{i + 1}"] = nn.BatchNorm1d(hidden)
    parts[f"relu{i + 1}"] = nn.ReLU()
    parts["fc2"] = nn.Linear(hidden, classes)
    return nn.Sequential(parts)
