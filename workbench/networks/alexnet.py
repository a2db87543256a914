"""AlexNet as published: conv2, conv4 and conv5 in two groups, local response normalisation, 227x227 images.

torchvision's `torchvision/alexnet` is another network of the same author, without groups and normalisation (61.1 M).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ._spec import CHANNELS, CLASSES, NetworkSpec, Shape


def _make(shape: Shape, classes: int) -> nn.Module:
    """(n, channels, 227, 227) -> (n, classes) logits."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape[0], 96, 11, 4),
            relu1=nn.ReLU(),
            norm1=nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
            pool1=nn.MaxPool2d(3, 2),
            conv2=nn.Conv2d(96, 256, 5, padding=2, groups=2),
            relu2=nn.ReLU(),
            norm2=nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
            pool2=nn.MaxPool2d(3, 2),
            conv3=nn.Conv2d(256, 384, 3, padding=1),
            relu3=nn.ReLU(),
            conv4=nn.Conv2d(384, 384, 3, padding=1, groups=2),
            relu4=nn.ReLU(),
            conv5=nn.Conv2d(384, 256, 3, padding=1, groups=2),
            relu5=nn.ReLU(),
            pool5=nn.MaxPool2d(3, 2),
            flatten=nn.Flatten(),
            fc6=nn.Linear(9216, 4096),
            relu6=nn.ReLU(),
            drop6=nn.Dropout(0.5),
            fc7=nn.Linear(4096, 4096),
            relu7=nn.ReLU(),
            drop7=nn.Dropout(0.5),
            fc8=nn.Linear(4096, classes),
        )
    )


SPEC = NetworkSpec(
    name="alexnet",
    title="AlexNet (2012, two groups)",
    citation="Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks.",
    input_shape=(3, 227, 227),
    classes=1000,
    make=_make,
    parameters=60_965_224,
    macs=724_406_816,
    free=(CLASSES, CHANNELS),
)
