"""One file, one network: `networks/lenet5.py` is `lenet5`. A file that starts with _ is shared machinery.

A network's file holds `SPEC`, a NetworkSpec of the same name, and, where something may follow a colon in that name
(`mobilenet_v1:0.5`), `variant(argument) -> NetworkSpec`. Every operation is a module of its own with a name, each
ReLU included and not in place, so that hooks, torch.fx and captum can take hold of it. Networks of other libraries are
known by `torchvision/NAME` and `timm/NAME`, and your own, once adopted, by `own/NAME`. Behind any name, `@LABEL` means
weights that were trained on this machine.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from ..core.errors import WorkbenchError
from ..core.names import listed
from . import _timm, _torchvision
from ._kept import KeptWeights, checked_label, free_label, keep_weights, kept_weights, split_label
from ._own import PREFIX, adopt, own_copy, own_named, own_networks
from ._own_file import adopt_file, names_file
from ._pretrained import WeightsInfo, bundled, digest_of, read_info
from ._spec import NetworkSpec, Shape, drawn_from
from ._weights import has_weights, trained_tensors, use, weights_info, weights_stamp
from ._weights_file import fill, read_tensors, write_tensors

__all__ = [
    "KeptWeights",
    "NetworkSpec",
    "WeightsInfo",
    "adopt",
    "adopt_file",
    "build",
    "bundled",
    "checked_label",
    "digest_of",
    "free_label",
    "has_weights",
    "keep_weights",
    "kept_weights",
    "names_file",
    "network_named",
    "networks",
    "own_networks",
    "pretrained",
    "read_info",
    "read_tensors",
    "split_label",
    "use_weights",
    "weights_info",
    "weights_stamp",
    "write_tensors",
]
_NOT_A_NETWORK = ("artifact",)
_SOURCES = {"torchvision": _torchvision, "timm": _timm}
_ELSEWHERE = "torchvision/NAME, timm/NAME, own/NAME"


@cache
def networks() -> dict[str, NetworkSpec]:
    """Every network by name, in alphabetical order."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return {name: _file(name).SPEC for name in names if name not in _NOT_A_NETWORK}


def network_named(name: str) -> NetworkSpec:
    """The network's description, whatever weights its name asks for; WorkbenchError lists what there is."""
    name, _label = split_label(name)
    if name.startswith(PREFIX):
        return own_named(name)
    source, slash, foreign = name.partition("/")
    if slash and source in _SOURCES:
        return _from_elsewhere(source, foreign)
    file, colon, argument = name.partition(":")
    spec = networks().get(file)
    if spec is None or (colon and not spec.argument):
        known = listed(map(_spelling, networks()), name)
        raise WorkbenchError(f"There is no network {name!r}; there are {known}, {_ELSEWHERE}.")
    return _variant(file, argument) if colon else spec


def build(
    name: str, seed: int = 0, *, input_shape: Sequence[int] | None = None, classes: int | None = None
) -> nn.Module:
    """The network in eval mode with torch's own initialisation, drawn from `seed`; global random state is untouched.

    input_shape, classes: of the images it is for, its own by default; WorkbenchError when it cannot be for these. An
    adopted network comes with the weights it was adopted with.
    """
    spec = network_named(name)
    shape: Shape = tuple(spec.input_shape if input_shape is None else input_shape)
    spec = spec.fitted(shape, spec.classes if classes is None else classes)
    with drawn_from(seed):
        return spec.build().eval()


def pretrained(
    name: str, dataset: str, *, input_shape: Sequence[int] | None = None, classes: int | None = None
) -> nn.Module:
    """The network in eval mode with its trained weights; WorkbenchError says for which pairs there are any.

    An adopted network has the weights it was adopted with unless others were named. input_shape, classes: as in build,
    or what the weights say.
    """
    network_named(name)
    if input_shape is None and classes is None and (info := weights_info(name, dataset)) and info.classes:
        input_shape, classes = info.input_shape, info.classes
    elsewhere = "/" in name and "@" not in name and not has_weights(name, dataset)
    if elsewhere and name.startswith(PREFIX):
        return own_copy(name)
    tensors = _trained_elsewhere(name, dataset) if elsewhere else trained_tensors(name, dataset)
    return fill(build(name, input_shape=input_shape, classes=classes), tensors, of=name, path="The file")


def use_weights(
    name: str,
    dataset: str,
    path: str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
) -> WeightsInfo | None:
    """Let this process take the network's weights on `dataset` from a safetensors file; how they were made, if it says.

    The file may be one of ours or any state dict of this network; `module.` before every name is left out. FileError
    says what does not fit, or that the file is a pickle, which is never read. input_shape, classes: as in `build`.
    """
    return use(name, dataset, Path(path), build(name, input_shape=input_shape, classes=classes)).info


def _trained_elsewhere(name: str, dataset: str) -> dict[str, Tensor]:
    if dataset != "imagenet":
        raise WorkbenchError(f"There are no weights of {name} on {dataset}; there are on imagenet.")
    source, _, foreign = name.partition("/")
    tensors: dict[str, Tensor] = _SOURCES[source].tensors_of(foreign)
    return tensors


@cache
def _from_elsewhere(source: str, name: str) -> NetworkSpec:
    spec: NetworkSpec = _SOURCES[source].spec_of(name)
    return spec


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
