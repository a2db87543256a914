"""LeNet-5 with 20 and 50 filters, the variant that Caffe shipped and that compression papers call LeNet-5.

Caffe has a ReLU after fc1 only. Here one follows each convolution too: every nonlinearity maps 0 to 0, so a masked
filter and a removed filter give the same network, and Grad-CAM finds activations to look at.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ._spec import CHANNELS, CLASSES, NetworkSpec, Shape


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, 28, 28) -> (n, classes) logits."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape[0], 20, 5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(800, 500),
            relu3=nn.ReLU(),
            fc2=nn.Linear(500, classes),
        )
    )


SPEC = NetworkSpec(
    name="lenet5",
    title="LeNet-5 (Caffe, 20-50-500)",
    citation="LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition; widths "
    "as in Jia et al. 2014, Caffe: Convolutional architecture for fast feature embedding.",
    input_shape=(1, 28, 28),
    classes=10,
    make=_make,
    parameters=431_080,
    macs=2_293_000,
    free=(CLASSES, CHANNELS),
)
