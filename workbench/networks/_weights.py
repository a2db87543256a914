"""Which weights a pair of network and dataset has: a file somebody named, those kept at home, or the bundled ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ..core.errors import FileError
from ._kept import kept, kept_tensors, split_label
from ._pretrained import WeightsInfo, bundled_info, bundled_tensors, digest_of, read_info
from ._weights_file import fill, read_tensors


@dataclass(frozen=True, eq=False)
class Used:
    """Weights from a file that somebody named. info: how they were made, where the file says it; digest: of them."""

    path: Path
    tensors: dict[str, Tensor]
    info: WeightsInfo | None
    digest: str


_used: dict[tuple[str, str], Used] = {}


def use(name: str, dataset: str, path: Path, network: nn.Module) -> Used:
    """From now on `name` on `dataset` has the weights in `path`. network: a fresh one, which is filled to check them.

    FileError when the file is not safetensors or holds the weights of another network.
    """
    tensors = read_tensors(path)
    fill(network, tensors, of=name, path=path)
    try:
        info: WeightsInfo | None = read_info(path)
    except FileError:
        info = None  # weights that something else has made
    used = Used(path, dict(network.state_dict()), info, digest_of(network))
    _used[name, dataset] = used
    return used


def weights_info(network: str, dataset: str) -> WeightsInfo | None:
    """How the weights of this pair were made, or None when there are none or nobody said."""
    if (network, dataset) in _used:
        return _used[network, dataset].info
    plain, label = split_label(network)
    if not label:
        return bundled_info(network, dataset)
    found = kept(plain, dataset, label)
    return None if found is None else found.info


def has_weights(network: str, dataset: str) -> bool:
    """Whether this pair has weights that can be used without a download."""
    return (network, dataset) in _used or weights_info(network, dataset) is not None


def trained_tensors(network: str, dataset: str) -> dict[str, Tensor]:
    """Tensors by name; WorkbenchError says which pairs there are."""
    if (network, dataset) in _used:
        return _used[network, dataset].tensors
    plain, label = split_label(network)
    return kept_tensors(plain, dataset, label) if label else bundled_tensors(network, dataset)


def weights_stamp(network: str, dataset: str) -> str:
    """Changes when the weights of this pair do: part of the key of whatever remembers them by name."""
    if (network, dataset) in _used:
        return _used[network, dataset].digest
    plain, label = split_label(network)
    found = kept(plain, dataset, label) if label else None
    return "" if found is None else f"{found.path} {found.info.digest if found.info else found.problem}"
