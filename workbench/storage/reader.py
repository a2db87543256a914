"""Read an artifact without torch: numpy, constriction and msgspec are all it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.values import Array
from .artifact import read


def load(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and every tensor as float32, by name. FileError if the file is not an intact artifact."""
    artifact = read(path)
    return artifact.header, {name: encoded.decode() for name, encoded in artifact.tensors.items()}
