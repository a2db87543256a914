"""The bundled weights: safetensors files `weights/<network>-<dataset>.safetensors` that tell how they were made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor, nn

from ..core.errors import FileError, WorkbenchError
from ..core.names import listed
from ..core.records import Accuracy

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class WeightsInfo:
    """How a file of weights was made, as its header says.

    command: what makes the file again. recipe: every setting of the training. epochs: how many were run; the weights
    are those after `best_epoch`, chosen on `validation`. data: the dataset's title, which says when it is a copy of
    other pixels, or "" in older files; data_digest: of the dataset; digest: of the tensors. input_shape and classes are
    those of the data, () and 0 in older files. device: the kind that it was trained on.
    """

    network: str
    dataset: str
    command: str
    recipe: dict[str, Any]
    seed: int
    epochs: int
    best_epoch: int
    test: Accuracy
    validation: Accuracy
    data_digest: str
    versions: dict[str, str] = field(default_factory=dict)
    teacher: str = ""
    data: str = ""
    digest: str = ""
    input_shape: tuple[int, ...] = ()
    classes: int = 0
    device: str = "cpu"

    def to_metadata(self) -> dict[str, str]:
        """The header's entries: JSON texts, and the test accuracy once more as a sentence for people."""
        texts = {f.name: msgspec.json.encode(getattr(self, f.name)).decode() for f in fields(self)}
        return {"format": "pt", "summary": _summary(self.test), **texts}


def bundled_info(network: str, dataset: str) -> WeightsInfo | None:
    """What the header of the bundled weights says, or None when there are none for this pair."""
    path = _bundled().get(f"{network}-{dataset}")
    return None if path is None else _bundled_info(path)


def bundled() -> list[WeightsInfo]:
    """How all the weights were made that come with the workbench, by file name."""
    return [_bundled_info(path) for path in _bundled().values()]


@cache
def _bundled_info(path: Path) -> WeightsInfo:
    """Read once: the bundled files never change."""
    return read_info(path)


def read_info(path: Path) -> WeightsInfo:
    """The header of a safetensors file that `workbench train` wrote; FileError for anything else."""
    try:
        with safe_open(path, framework="pt") as file:
            texts = file.metadata() or {}
        known = {f.name: msgspec.json.decode(texts[f.name]) for f in fields(WeightsInfo) if f.name in texts}
        info = msgspec.convert(known, WeightsInfo)
    except (SafetensorError, OSError, msgspec.DecodeError) as error:
        raise FileError(f"{path} is not a file of weights made by workbench train: {str(error).rstrip('.')}.") from None
    assert isinstance(info, WeightsInfo)
    return info


def bundled_tensors(network: str, dataset: str) -> dict[str, Tensor]:
    """Tensors by name from the bundled file; WorkbenchError says which pairs there are."""
    path = _bundled().get(f"{network}-{dataset}")
    if path is None:
        pairs = listed((name.replace("-", " on ") for name in _bundled()), f"{network} on {dataset}") or "none"
        raise WorkbenchError(f"There are no bundled weights of {network} on {dataset}; there are {pairs}.")
    return load(path.read_bytes())


def digest_of(network: nn.Module) -> str:
    """SHA-256 of the names, shapes and values of the state dict, in hexadecimal."""
    return digest_of_tensors(network.state_dict())


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """As `digest_of`, of the tensors themselves."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(repr((name, tuple(tensors[name].shape))).encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _bundled() -> dict[str, Path]:
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


def _summary(test: Accuracy) -> str:
    low, high = test.interval
    return f"{test.accuracy:.2%} of {test.n} {test.split} images, 95 % interval {low:.2%} to {high:.2%}"
