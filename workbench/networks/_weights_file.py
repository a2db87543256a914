"""Weights in a safetensors file: read with every check, written whole or not at all. Nothing is ever unpickled."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..core.errors import FileError, WorkbenchError

_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_WRAPPED = "module."
"""What torch's DataParallel puts before every name."""
_SHOWN = 3


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name; FileError for a pickle, for anything that is not safetensors, and for values not finite."""
    _refuse_pickles(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise FileError(f"{path} is not a whole safetensors file: {str(error).rstrip('.')}.") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise FileError(f"{path}: {name} holds values that are not finite.")
    if tensors and all(name.startswith(_WRAPPED) for name in tensors):
        return {name.removeprefix(_WRAPPED): tensor for name, tensor in tensors.items()}
    return tensors


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str], *, new: bool = False) -> None:
    """A safetensors file that is there whole or not at all; WorkbenchError when the place cannot be written.

    new: refuse to take the place of a file that is there.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(to_bytes({name: _own(tensor) for name, tensor in tensors.items()}, metadata))
        os.link(beside, path) if new else os.replace(beside, path)
    except FileExistsError:
        raise WorkbenchError(f"{path} is there already; nothing was overwritten.") from None
    except (OSError, SafetensorError) as error:
        raise WorkbenchError(f"{path} cannot be written: {str(error).rstrip('.')}.") from None
    finally:
        beside.unlink(missing_ok=True)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], *, of: str, path: object) -> nn.Module:
    """`network` with these values; FileError says which tensors are missing, too many or of another shape.

    of: the network's name. BatchNorm's counters, which have no say in eval mode, may be missing.
    """
    own = network.state_dict()
    needed = {name for name, tensor in own.items() if tensor.is_floating_point() or name in tensors}
    other = [name for name in own if name in tensors and tensors[name].shape != own[name].shape]
    kinds = [n for n in own if n in tensors and tensors[n].is_floating_point() != own[n].is_floating_point()]
    wrong = [
        _listed("it lacks {}", sorted(needed - tensors.keys())),
        _listed("it holds {}, which the network does not have", sorted(tensors.keys() - own.keys())),
        _listed("{}", [f"{n} is {_shape(tensors[n])} instead of {_shape(own[n])}" for n in other]),
        _listed("{} of another kind of number", sorted(set(kinds) - set(other))),
    ]
    if any(wrong):
        raise FileError(f"{path} does not hold weights of {of}: {'; '.join(filter(None, wrong))}.")
    with torch.no_grad():
        for name in needed:
            own[name].copy_(tensors[name])
    return network


def _refuse_pickles(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None
    if any(start.startswith(mark) for mark in _PICKLES):
        raise FileError(
            f"{path} is a pickle, which could run code when it is read; where you trust it, save its state dict with "
            "safetensors.torch.save_file and give that file."
        )


def _own(tensor: Tensor) -> Tensor:
    """safetensors takes neither shared memory, other strides nor other devices."""
    return tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)


def _listed(sentence: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return sentence.format(", ".join(names[:_SHOWN]) + more) if names else ""


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"
