"""LeNet-300-100: two hidden layers, the first network of most pruning papers."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ._spec import CHANNELS, CLASSES, NetworkSpec, Shape


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, 28, 28) -> (n, classes) logits."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(784 * shape[0], 300),
            relu1=nn.ReLU(),
            fc2=nn.Linear(300, 100),
            relu2=nn.ReLU(),
            fc3=nn.Linear(100, classes),
        )
    )


SPEC = NetworkSpec(
    name="lenet_300_100",
    title="LeNet-300-100",
    citation="LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition (the "
    "fully connected network of their comparison); with ReLU as in Han, Pool, Tran and Dally 2015.",
    input_shape=(1, 28, 28),
    classes=10,
    make=_make,
    parameters=266_610,
    macs=266_200,
    free=(CLASSES, CHANNELS),
)
