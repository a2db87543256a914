"""Weights that were trained on this machine: `weights/` in the workbench's own folder, used as `lenet5@LABEL`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

from torch import Tensor, nn

from ..core.errors import FileError, WorkbenchError
from ..core.home import home
from ..core.names import listed
from ._pretrained import WeightsInfo, digest_of_tensors, read_info
from ._weights_file import read_tensors, write_tensors

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class KeptWeights:
    """One file of weights at home. problem: why it cannot be used, or "" when it can; then `info` is what it says."""

    network: str
    dataset: str
    label: str
    info: WeightsInfo | None
    path: Path
    problem: str = ""

    @property
    def name(self) -> str:
        """What the network is called with these weights: `lenet5@mine`."""
        return f"{self.network}@{self.label}"


def split_label(name: str) -> tuple[str, str]:
    """`lenet5@mine` -> (lenet5, mine), `lenet5` -> (lenet5, ""); WorkbenchError for a label that cannot be."""
    network, at, label = name.rpartition("@")
    return (network, checked_label(label)) if at else (name, "")


def checked_label(label: str) -> str:
    """`label` itself; WorkbenchError when it is not one."""
    if not _LABEL.fullmatch(label):
        raise WorkbenchError(f"Weights are called by 1 to 40 letters, digits, _ or -; got {label[:60]!r}.")
    return label


def free_label(network: str, dataset: str, wanted: str = "mine") -> str:
    """`wanted`, or with the first number behind it that is not taken."""
    tries = (wanted if i == 1 else f"{wanted}{i}" for i in count(1))
    return next(label for label in tries if not kept_path(network, dataset, label).exists())


def kept_path(network: str, dataset: str, label: str) -> Path:
    """Where these weights lie, or would."""
    pair = re.sub(r"[^\w.:-]+", "_", f"{network}-{dataset}").replace(":", "_")
    if pair != f"{network}-{dataset}":  # a path or a width in a name: tell apart what looks alike now
        pair += "-" + hashlib.sha256(repr((network, dataset)).encode()).hexdigest()[:8]
    return home() / "weights" / f"{pair}@{checked_label(label)}.safetensors"


def keep_weights(network: nn.Module, info: WeightsInfo, label: str) -> KeptWeights:
    """Keep a trained network as `info.network@label`, all or nothing; WorkbenchError when that name is taken."""
    path = kept_path(info.network, info.dataset, label)
    if path.exists():
        raise WorkbenchError(f"There are weights {info.network}@{label} on {info.dataset} already; take another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkbenchError(f"{path.parent} cannot be made: {error.strerror or error}.") from None
    write_tensors(path, network.state_dict(), info.to_metadata(), new=True)
    return _entry(path)


def kept_weights() -> tuple[KeptWeights, ...]:
    """All that were kept, by file name; a damaged file is listed with what is wrong with it."""
    return tuple(_entry(path) for path in sorted((home() / "weights").glob("*@*.safetensors")))


def kept(network: str, dataset: str, label: str) -> KeptWeights | None:
    """These very weights, damaged or not; None when there are none."""
    path = kept_path(network, dataset, label)
    return _entry(path) if path.exists() else None


def kept_tensors(network: str, dataset: str, label: str) -> dict[str, Tensor]:
    """Tensors by name; WorkbenchError when there are no such weights, FileError when they are damaged."""
    found = kept(network, dataset, label)
    if found is None:
        there = sorted({k.name for k in kept_weights() if k.dataset == dataset and not k.problem})
        raise WorkbenchError(
            f"There are no weights {network}@{label} on {dataset} at home; there are {listed(there, label) or 'none'}."
        )
    if found.problem:
        raise FileError(f"The weights {network}@{label} cannot be used: {found.problem}")
    return read_tensors(found.path)


def _entry(path: Path) -> KeptWeights:
    """Looked at once for every state of the file."""
    try:
        stat = path.stat()
    except OSError as error:
        return KeptWeights("", "", _label_of(path), None, path, f"{path} cannot be read: {error.strerror or error}.")
    return _examined(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _examined(path: Path, _changed: int, _size: int) -> KeptWeights:
    label = _label_of(path)
    try:
        info = read_info(path)
        if kept_path(info.network, info.dataset, label).name != path.name:
            raise FileError(f"{path} holds weights of {info.network} on {info.dataset}, and is named otherwise.")
        if digest_of_tensors(read_tensors(path)) != info.digest:
            raise FileError(f"{path} is damaged: its values are not those that were kept.")
    except WorkbenchError as error:
        return KeptWeights("", "", label, None, path, str(error))
    return KeptWeights(info.network, info.dataset, label, info, path)


def _label_of(path: Path) -> str:
    return path.name.removesuffix(".safetensors").rpartition("@")[2]
