"""LeNet-5 with the widths of 1998: 6 and 16 filters, then 120, 84 and 10 units.

The paper has scaled tanh units, trainable subsampling, a hand-made table of which maps of conv2 see which, and radial
basis outputs. Here as in most of today's papers: ReLU (it maps 0 to 0, so masked equals removed), plain average
pooling, all connections, a linear output. 28x28 images are padded by 2 to the paper's 32x32.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ._spec import CHANNELS, CLASSES, NetworkSpec, Shape


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, 28, 28) -> (n, classes) logits."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape[0], 6, 5, padding=2),
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(6, 16, 5),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(400, 120),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            fc3=nn.Linear(84, classes),
        )
    )


SPEC = NetworkSpec(
    name="lenet5_1998",
    title="LeNet-5 (1998, 6-16-120-84)",
    citation="LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition.",
    input_shape=(1, 28, 28),
    classes=10,
    make=_make,
    parameters=61_706,
    macs=416_520,
    free=(CLASSES, CHANNELS),
)
