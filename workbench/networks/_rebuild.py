"""From names, shapes and values to a network that runs. Nothing is allocated before every shape has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn

from ..core.errors import FileError, WorkbenchError
from ..core.layer import put, tensors_of
from ..core.values import Array
from ..layers import from_spec, goes_around
from . import network_named
from ._spec import NetworkSpec, drawn_from

_BATCHNORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
Shapes = Mapping[str, tuple[int, ...]]


class Header(msgspec.Struct):
    """What a file says about its network. structure: path of a replaced module -> plain data of `layers.from_spec`."""

    network: str
    dataset: str
    input_shape: tuple[int, ...]
    classes: int
    structure: dict[str, dict[str, Any]]
    recipe: dict[str, Any]


def rebuilt(header: Header, tensors: Mapping[str, Array]) -> nn.Module:
    """The network in eval mode with exactly these floating tensors; FileError when they do not make one."""
    spec = _spec(header)
    shapes = {name: tuple(array.shape) for name, array in tensors.items()}
    with torch.device("meta"):
        _check_tensors(_assembled(spec, header, shapes), shapes)
    with drawn_from(0):
        network = _assembled(spec, header, shapes).eval()
    state = network.state_dict()
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise FileError(f"The file's {name} holds values that are not finite.")
        state[name].copy_(torch.from_numpy(np.asarray(array, order="C")))
    _check_runs(network, header)
    return network


def _spec(header: Header) -> NetworkSpec:
    try:
        spec = network_named(header.network)
    except WorkbenchError as error:
        raise FileError(f"The file is of a network that is not known here: {error}") from None
    shape, classes = tuple(header.input_shape), header.classes
    if why := spec.fits(shape, classes):
        raise FileError(f"The file claims a {spec.name} for images of {shape} in {classes} classes, but {why}.")
    return spec.fitted(shape, classes)


def _assembled(spec: NetworkSpec, header: Header, shapes: Shapes) -> nn.Module:
    network = spec.build()
    own = {path for path, _ in network.named_modules() if path}
    for path, layer in header.structure.items():  # a layer before what stands inside it
        there = {path for path, _ in network.named_modules() if path} if goes_around(layer) else own
        if path not in there:
            raise FileError(f"The file replaces a layer {path!r}, which {spec.name} does not have.")
        put(network, path, from_spec(layer, network.get_submodule(path)))
    for path, module in network.named_modules():
        _resize(module, f"{path}." if path else "", shapes)
    return network


def _resize(module: nn.Module, prefix: str, shapes: Shapes) -> None:
    """Give a layer that lost channels the shapes of its stored tensors."""
    weight = shapes.get(f"{prefix}weight", ())
    if isinstance(module, nn.Conv2d) and len(weight) == 4:
        module.groups = _groups(module, weight[0])
        module.out_channels, module.in_channels = weight[0], weight[1] * module.groups
    elif isinstance(module, nn.Linear) and len(weight) == 2:
        module.out_features, module.in_features = weight
    elif isinstance(module, _BATCHNORMS) and len(weight) == 1:
        module.num_features = weight[0]
    else:
        return
    for held in (module._parameters, module._buffers):
        for name, tensor in held.items():
            shape = shapes.get(prefix + name)
            if tensor is not None and tensor.is_floating_point() and shape not in (None, tuple(tensor.shape)):
                assert shape is not None
                held[name] = _empty(tensor, shape)


def _groups(conv: nn.Conv2d, out: int) -> int:
    """A depthwise convolution has as many groups as channels, however many are left; others keep theirs."""
    depthwise = conv.groups > 1 and conv.groups == conv.in_channels
    return max(1, out * conv.groups // conv.out_channels) if depthwise else conv.groups


def _empty(like: torch.Tensor, shape: tuple[int, ...]) -> Any:
    tensor = torch.empty(shape, dtype=like.dtype, device=like.device)
    return nn.Parameter(tensor) if isinstance(like, nn.Parameter) else tensor


def _check_tensors(network: nn.Module, shapes: Shapes) -> None:
    needed: dict[str, tuple[int, ...]] = {}
    for names, tensor in tensors_of(network):
        given = [name for name in names if name in shapes]
        if len(given) != 1:
            wrong = "holds twice" if given else "lacks"
            raise FileError(f"The file {wrong} the tensor {names[0]}.")
        needed[given[0]] = tuple(tensor.shape)
    for name, shape in shapes.items():
        if name not in needed:
            raise FileError(f"The file holds a tensor {name!r}, which its network does not have.")
        if shape != needed[name]:
            raise FileError(f"The file's {name} has shape {shape}, which cannot fit {needed[name]}.")
    for path, module in network.named_modules():
        weight = shapes.get(f"{path}.weight", ())
        kernel = weight[2:]
        if isinstance(module, nn.Conv2d) and weight and kernel != tuple(module.kernel_size):
            raise FileError(f"The file's {path}.weight has a kernel of {kernel}; {path} needs {module.kernel_size}.")


def _check_runs(network: nn.Module, header: Header) -> None:
    """Shapes that are right one by one can still disagree from layer to layer."""
    try:
        with torch.inference_mode():
            answer = tuple(network(torch.zeros(1, *header.input_shape)).shape)
    except Exception as error:  # an adopted network's own code meets shapes from a file
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise FileError(f"The file's layers do not fit one another: {reason}.") from None
    if answer != (1, header.classes):
        raise FileError(f"The file's network answers {answer[1:]} scores where {header.classes} classes are claimed.")
