"""Stages of 3x3 convolutions, each ending in a 2x2 maximum, then two linear layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

CITATION = "Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale image recognition, \
arXiv:1409.1556; BatchNorm after every weight but the last, Ioffe and Szegedy 2015."


def vgg(*, stages: Sequence[Sequence[int]], side: int, hidden: int, classes: int) -> nn.Module:
    """(n, 3, h, w) -> (n, classes) logits. stages: filters of each convolution; side: of the last map, in pixels."""
    parts, cin, i = OrderedDict[str, nn.Module](), 3, 0
    for stage, widths in enumerate(stages, 1):
        for cout in widths:
            i += 1
            parts[f"conv{i}"] = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
            parts[f"bn{i}"] = nn.BatchNorm2d(cout)
            parts[f"relu{i}"] = nn.ReLU()
            cin = cout
        parts[f"pool{stage}"] = nn.MaxPool2d(2)
    parts["flatten"] = nn.Flatten()
    parts["fc1"] = nn.Linear(cin * side * side, hidden, bias=False)
    parts[f"bn{i + 1}"] = nn.BatchNorm1d(hidden)
    parts[f"relu{i + 1}"] = nn.ReLU()
    parts["fc2"] = nn.Linear(hidden, classes)
    return nn.Sequential(parts)
