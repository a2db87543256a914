"""What the zoo knows about a network besides how to build it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import nn

from ..core.errors import WorkbenchError
from ._counts import counts

Shape = tuple[int, ...]
Make = Callable[[Shape, int], nn.Module]
"""((channels, height, width), classes) -> a network in train mode, initialised from torch's global generator."""
CLASSES, CHANNELS, SIZE = "classes", "channels", "size"
ANY = (CLASSES, CHANNELS, SIZE)
MOST_CLASSES, MOST_CHANNELS, MOST_PIXELS = 2**16, 256, 512**2
_global_generator = threading.RLock()  # code that builds one network may build another


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the zoo, at its own image size and class count.

    citation: the paper, with its year. input_shape: (channels, height, width). parameters, macs: of the dense network,
    multiply-accumulates for one image; tests hold them to the paper's figures. free: which of CLASSES, CHANNELS and
    SIZE `make` can do otherwise. argument: what may follow a colon in the network's name ("WIDTH" in
    mobilenet_v1:WIDTH), empty when nothing does. source: how the command line names it where that is not its name.
    identity: of an adopted network, what tells its code from another version of it.
    """

    name: str
    title: str
    citation: str
    input_shape: Shape
    classes: int
    make: Make
    parameters: int
    macs: int
    free: tuple[str, ...] = ANY
    argument: str = ""
    source: str = ""
    identity: str = ""

    def build(self) -> nn.Module:
        """A network in train mode, from torch's global generator; `workbench.networks.build` takes a seed."""
        return self.make(self.input_shape, self.classes)

    def fits(self, input_shape: Shape, classes: int) -> str:
        """Why it cannot tell `classes` classes of images of `input_shape` apart, or ""; nothing is allocated."""
        shape = tuple(input_shape)
        if (shape, classes) == (tuple(self.input_shape), self.classes):
            return ""
        return out_of_bounds(shape, classes) or self.bound(shape, classes) or _why_it_stops(self.make, shape, classes)

    def fitted(self, input_shape: Shape, classes: int) -> NetworkSpec:
        """The same network for other images or classes; WorkbenchError when it cannot be."""
        shape = tuple(input_shape)
        if (shape, classes) == (tuple(self.input_shape), self.classes):
            return self
        if why := self.fits(shape, classes):
            raise WorkbenchError(f"{self.name} cannot be used so: {why}.")
        return _fitted(self, shape, classes)

    def bound(self, input_shape: Shape, classes: int) -> str:
        """What of this it cannot do otherwise than it is, or ""; the quick part of `fits`, without a trial."""
        shape = tuple(input_shape)
        if SIZE not in self.free and shape[1:] != self.input_shape[1:]:
            return f"it takes images of {times(self.input_shape[1:])} pixels only, not {times(shape[1:])}"
        if CHANNELS not in self.free and shape[0] != self.input_shape[0]:
            return f"it takes images of {self.input_shape[0]} channels, not {shape[0]}"
        if CLASSES not in self.free and classes != self.classes:
            return f"it tells {self.classes} classes apart, not {classes}"
        return ""


def times(shape: Shape) -> str:
    """`3 x 32 x 32`."""
    return " x ".join(map(str, shape))


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Modules made inside are initialised from `seed`; torch's global generator comes back as it was."""
    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def of_width(spec: NetworkSpec, argument: str, make: Callable[[float, Shape, int], nn.Module]) -> NetworkSpec:
    """`spec` with a share of its channels. make: width first. WorkbenchError for a width that cannot be."""
    try:
        width = float(argument)
    except ValueError:
        width = 0.0
    if not 0.1 <= width <= 2.0:
        raise WorkbenchError(f"{spec.name}: the width must be a number in [0.1, 2]; got {argument!r}.")

    def made(shape: Shape, classes: int) -> nn.Module:
        return make(width, shape, classes)

    name, title = f"{spec.name}:{width:g}", f"{spec.title}, width {width:g}"
    return counted(replace(spec, name=name, title=title, make=made))


def counted(spec: NetworkSpec) -> NetworkSpec:
    """`spec` with its parameters and multiply-accumulates counted."""
    parameters, macs = counts(spec.build, spec.input_shape)
    return replace(spec, parameters=parameters, macs=macs)


@lru_cache(maxsize=64)
def _fitted(spec: NetworkSpec, shape: Shape, classes: int) -> NetworkSpec:
    return counted(replace(spec, input_shape=shape, classes=classes))


def out_of_bounds(shape: Shape, classes: int) -> str:
    """Why no network can be asked for such images, or "": numbers from a file must not ask for endless memory."""
    if len(shape) != 3 or min(shape) < 1:
        return f"images have channels, height and width, each 1 or more, and {times(shape) or 'nothing'} is not that"
    if shape[0] > MOST_CHANNELS or shape[1] * shape[2] > MOST_PIXELS:
        return f"images of {times(shape)} are larger than {MOST_CHANNELS} channels of {MOST_PIXELS:,} pixels"
    if not 2 <= classes <= MOST_CLASSES:
        return f"the number of classes must be in [2, {MOST_CLASSES}], not {classes}"
    return ""


@lru_cache(maxsize=256)
def _why_it_stops(make: Make, shape: Shape, classes: int) -> str:
    """Tried out on torch's meta device, where tensors have shapes and no memory."""
    try:
        with torch.device("meta"), torch.no_grad():
            answer = make(shape, classes).eval()(torch.zeros(1, *shape))
    except Exception as error:  # builders of other libraries fail in as many ways as there are
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        return f"it cannot take images of {times(shape)} ({reason})"
    return "" if tuple(answer.shape) == (1, classes) else f"it cannot tell {classes} classes apart"
