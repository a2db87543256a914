"""safetensors: the compressed network's weights in float32, with all that is needed to build it again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as tensors_in
from safetensors.torch import save as to_bytes
from torch import Tensor

from .. import __version__
from ..core.encoded import Encoded
from ..core.errors import FileError
from ..core.exported import Exported
from ..core.layer import tensors_of
from ..core.progress import Progress
from ..networks.artifact import Loaded, unpack_model
from ..storage.artifact import pack
from ._codes import FLOAT
from ._made import Made
from ._notes import notes_of

HEADER = "workbench.header"
"""The key of the metadata that holds the artifact's header as JSON: network, images, classes, structure, recipe."""


def safetensors_bytes(loaded: Loaded, *, progress: Progress | None = None) -> Made:
    """The weights of a .wbz under their names in the network, read back and compared bit for bit."""
    (progress or Progress())("writing safetensors", None)
    began, network = time.perf_counter(), loaded.network
    tensors = {names[0]: tensor.contiguous() for names, tensor in tensors_of(network)}
    metadata = {HEADER: msgspec.json.encode(loaded.header).decode(), "made_by": f"compression-workbench {__version__}"}
    content = to_bytes(tensors, metadata)
    again = tensors_in(content)
    assert all(torch.equal(tensor, again[name]) for name, tensor in tensors.items())
    record = Exported(
        format="safetensors",
        network=str(loaded.header["network"]),
        dataset=str(loaded.header["dataset"]),
        file_bytes=len(content),
        wbz_bytes=loaded.file_bytes,
        seconds=time.perf_counter() - began,
        stored=dict.fromkeys(tensors, FLOAT),
    )
    return Made(content, replace(record, notes=notes_of(record, loaded)))


def network_in(path: str | Path) -> Loaded:
    """The network of a safetensors file that was exported here; FileError for anything else.

    Its `file_bytes` and `parts` are those of a .wbz with plain floats. A network of the user's own has to be adopted
    first.
    """
    header, tensors = _read(Path(path))
    try:
        plain = {name: Encoded.dense(tensor.numpy()) for name, tensor in tensors.items()}
        return unpack_model(pack(plain, header, {}).data)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None


def header_in(path: str | Path) -> dict[str, Any]:
    """What the file says about its network; FileError when it was not exported here."""
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = msgspec.json.decode((file.metadata() or {})[HEADER], type=dict[str, Any])
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except KeyError:
        raise FileError(f"{path} does not say which compressed network it holds; export a .wbz to get one.") from None
    except (SafetensorError, OSError, msgspec.MsgspecError) as error:
        raise FileError(f"{path} is not a whole safetensors file: {str(error).splitlines()[0].rstrip('.')}.") from None
