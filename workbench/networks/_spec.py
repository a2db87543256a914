"""What the zoo knows about a network besides how to build it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the zoo.

    citation: the paper, with its year. input_shape: (channels, height, width). parameters, macs: of the dense network,
    multiply-accumulates for one image; tests hold them to the paper's figures.
    build: a network in train mode, initialised from torch's global generator; use `workbench.networks.build`.
    """

    name: str
    title: str
    citation: str
    input_shape: tuple[int, ...]
    classes: int
    build: Callable[[], nn.Module]
    parameters: int
    macs: int
