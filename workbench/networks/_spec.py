"""What the zoo knows about a network besides how to build it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

_global_generator = threading.Lock()


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


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Modules made inside are initialised from `seed`; torch's global generator comes back as it was."""
    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
