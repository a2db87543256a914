"""What the zoo knows about a network besides how to build it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..core.errors import WorkbenchError
from ._counts import counts

_global_generator = threading.Lock()


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the zoo.

    citation: the paper, with its year. input_shape: (channels, height, width). parameters, macs: of the dense network,
    multiply-accumulates for one image; tests hold them to the paper's figures.
    build: a network in train mode, initialised from torch's global generator; use `workbench.networks.build`.
    argument: what may follow a colon in the network's name ("WIDTH" in mobilenet_v1:WIDTH), empty when nothing does.
    """

    name: str
    title: str
    citation: str
    input_shape: tuple[int, ...]
    classes: int
    build: Callable[[], nn.Module]
    parameters: int
    macs: int
    argument: str = ""


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Modules made inside are initialised from `seed`; torch's global generator comes back as it was."""
    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def of_width(spec: NetworkSpec, argument: str, build: Callable[[float], nn.Module]) -> NetworkSpec:
    """`spec` with a share of its channels. build: width -> network. WorkbenchError for a width that cannot be."""
    try:
        width = float(argument)
    except ValueError:
        width = 0.0
    if not 0.1 <= width <= 2.0:
        raise WorkbenchError(f"{spec.name}: the width must be a number in [0.1, 2]; got {argument!r}.")

    def made() -> nn.Module:
        return build(width)

    parameters, macs = counts(made, spec.input_shape)
    name, title = f"{spec.name}:{width:g}", f"{spec.title}, width {width:g}"
    return replace(spec, name=name, title=title, build=made, parameters=parameters, macs=macs)
