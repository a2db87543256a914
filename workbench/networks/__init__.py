"""One file, one network: `networks/lenet5.py` is `lenet5`. A file that starts with _ is shared machinery.

A network's file holds `SPEC`, a NetworkSpec of the same name, and, where something may follow a colon in that name
(`mobilenet_v1:0.5`), `variant(argument) -> NetworkSpec`. Every operation is a module of its own with a name, each
ReLU included and not in place, so that hooks, torch.fx and captum can take hold of it. Networks of other libraries are
known by `torchvision/NAME` and `timm/NAME`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from torch import Tensor, nn

from ..core.errors import WorkbenchError
from . import _timm, _torchvision
from ._pretrained import WeightsInfo, digest_of, pretrained_tensors, read_info, weights_info
from ._spec import NetworkSpec, drawn_from

__all__ = [
    "NetworkSpec",
    "WeightsInfo",
    "build",
    "digest_of",
    "network_named",
    "networks",
    "pretrained",
    "read_info",
    "weights_info",
]
_NOT_A_NETWORK = ("artifact",)
_SOURCES = {"torchvision": _torchvision, "timm": _timm}
_ELSEWHERE = "torchvision/NAME, timm/NAME"


@cache
def networks() -> dict[str, NetworkSpec]:
    """Every network by name, in alphabetical order."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return {name: _file(name).SPEC for name in names if name not in _NOT_A_NETWORK}


def network_named(name: str) -> NetworkSpec:
    """The network's description; WorkbenchError lists what there is."""
    source, slash, foreign = name.partition("/")
    if slash and source in _SOURCES:
        return _from_elsewhere(source, foreign)
    file, colon, argument = name.partition(":")
    spec = networks().get(file)
    if spec is None or (colon and not spec.argument):
        known = ", ".join(map(_spelling, networks()))
        raise WorkbenchError(f"There is no network {name!r}; there are {known}, {_ELSEWHERE}.")
    return _variant(file, argument) if colon else spec


def build(name: str, seed: int = 0) -> nn.Module:
    """The network in eval mode with torch's own initialisation, drawn from `seed`; global random state is untouched."""
    spec = network_named(name)
    with drawn_from(seed):
        return spec.build().eval()


def pretrained(name: str, dataset: str) -> nn.Module:
    """The network in eval mode with its trained weights; WorkbenchError says for which pairs there are any."""
    network_named(name)
    tensors = _trained_elsewhere(name, dataset) if "/" in name else pretrained_tensors(name, dataset)
    network = build(name)
    network.load_state_dict(tensors)
    return network


def _trained_elsewhere(name: str, dataset: str) -> dict[str, Tensor]:
    if dataset != "imagenet":
        raise WorkbenchError(f"There are no weights of {name} on {dataset}; there are on imagenet.")
    source, _, foreign = name.partition("/")
    return _SOURCES[source].tensors_of(foreign)


@cache
def _from_elsewhere(source: str, name: str) -> NetworkSpec:
    return _SOURCES[source].spec_of(name)


def _file(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


@cache
def _variant(file: str, argument: str) -> NetworkSpec:
    spec = _file(file).variant(argument)
    assert isinstance(spec, NetworkSpec)
    return spec


def _spelling(name: str) -> str:
    argument = networks()[name].argument
    return f"{name}[:{argument}]" if argument else name
