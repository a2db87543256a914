"""A compressed network as a file, and back to a network that runs, bit for bit the one that was saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from ..core.compressed import Compressed
from ..core.encoded import Encoded
from ..core.errors import FileError
from ..core.layer import tensors_of
from ..layers import spec_of
from ..storage import artifact
from ..storage.artifact import Artifact, Packed
from ..storage.estimate import estimate_bytes
from ._own import PREFIX
from ._own_file import adopt_file
from ._rebuild import Header as Header
from ._rebuild import rebuilt

_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a file holds. network: in eval mode; parts: bytes by part, which sum to file_bytes."""

    network: nn.Module
    header: dict[str, Any]
    tensors: dict[str, Encoded]
    parts: dict[str, int]
    tensor_bytes: dict[str, int]
    file_bytes: int


def pack_model(
    model: Compressed, *, network: str, dataset: str, input_shape: Sequence[int], classes: int, recipe_json: str
) -> Packed:
    """The file's bytes. network: the zoo's name of what `model` was made from; recipe_json: as core's to_json gives."""
    tensors = _tensors(model)
    state = model.network.state_dict()
    for name, encoded in tensors.items():
        running = state[name].to("cpu", torch.float32).numpy()
        assert np.array_equal(encoded.decode(), running), f"{name} runs with other values"
    header = _header(model.network, network, dataset, input_shape, classes, recipe_json)
    return artifact.pack(tensors, header, _roles(model.network))


def estimate_model(
    model: Compressed, *, network: str, dataset: str, input_shape: Sequence[int], classes: int, recipe_json: str
) -> int:
    """About the length of the file in bytes, without coding anything; marked as an estimate wherever it is shown."""
    header = _header(model.network, network, dataset, input_shape, classes, recipe_json)
    return estimate_bytes(_tensors(model), header, _roles(model.network))


def save(
    path: str | Path,
    model: Compressed,
    *,
    network: str,
    dataset: str,
    input_shape: Sequence[int],
    classes: int,
    recipe_json: str,
) -> Packed:
    """Write the file, all or nothing; FileError when the place cannot be written. Arguments as for `pack_model`."""
    header = _header(model.network, network, dataset, input_shape, classes, recipe_json)
    return artifact.write(path, _tensors(model), header, _roles(model.network))


def load(path: str | Path, *, code: str = "") -> Loaded:
    """The network in a file; FileError, which names the file, for anything that does not describe one.

    code: `FILE.py:FACTORY` of a network of the user's own, which is run and adopted; others need none.
    """
    read = artifact.read(path)
    try:
        return _loaded(read, code)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None


def unpack_model(data: bytes) -> Loaded:
    """The network in a file's bytes; FileError for anything that does not describe one."""
    return _loaded(artifact.unpack(data))


def _loaded(read: Artifact, code: str = "") -> Loaded:
    try:
        header = msgspec.convert(read.header, Header)
    except msgspec.ValidationError as error:
        raise FileError(f"The file's header does not describe a network: {str(error).rstrip('.')}.") from None
    if code:
        _adopt(header, code)
    network = rebuilt(header, {name: encoded.decode() for name, encoded in read.tensors.items()})
    return Loaded(network, read.header, read.tensors, read.parts, read.tensor_bytes, read.file_bytes)


def _adopt(header: Header, code: str) -> None:
    if not header.network.startswith(PREFIX):
        raise FileError(f"it holds a {header.network}, which needs no code; {code} is for a network of your own.")
    name = header.network.removeprefix(PREFIX).partition("@")[0]
    adopt_file(code, input_shape=header.input_shape, classes=header.classes, name=name)


def _tensors(model: Compressed) -> dict[str, Encoded]:
    """Every floating tensor once; integer counters of BatchNorm have no say in eval mode and are left out."""
    known: Mapping[str, Encoded] = model.encoded
    state = tensors_of(model.network)
    strange = set(known) - {name for names, _ in state for name in names}
    assert not strange, f"stored but not in the network: {sorted(strange)}"
    stored = [(next((name for name in names if name in known), names[0]), tensor) for names, tensor in state]
    return {name: known[name] if name in known else _plain(tensor) for name, tensor in stored}


def _plain(tensor: Tensor) -> Encoded:
    return Encoded.dense(tensor.detach().to("cpu", torch.float32).numpy())


def _header(
    module: nn.Module, network: str, dataset: str, input_shape: Sequence[int], classes: int, recipe_json: str
) -> dict[str, Any]:
    specs = {path: spec_of(part) for path, part in module.named_modules()}
    return {
        "network": network,
        "dataset": dataset,
        "input_shape": list(input_shape),
        "classes": classes,
        "structure": {path: spec for path, spec in specs.items() if spec is not None},
        "recipe": msgspec.json.decode(recipe_json),
    }


def _roles(network: nn.Module) -> dict[str, str]:
    """Which part of the file a tensor's plain floats count to."""
    roles = {}
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        for name, _ in module.named_parameters(recurse=False):
            plain = "bias" if name == "bias" else "weight"
            roles[prefix + name] = "batchnorm" if isinstance(module, _NORMS) else plain
        for name, _ in module.named_buffers(recurse=False):
            roles[prefix + name] = "batchnorm" if isinstance(module, _NORMS) else "buffer"
    return roles
