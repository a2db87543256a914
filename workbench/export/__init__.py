"""What leaves the workbench: the compressed network for other programs, and recipes as files.

Every writer takes what was read from a .wbz and gives the bytes with a record of how they were checked, ready for a
download; nothing is written to disk here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..data import Dataset
from ..networks.artifact import Loaded
from ._made import Made, no_onnx
from .onnx_file import CHECKED, onnx_bytes
from .recipe_file import READABLE, WRITABLE, recipe_in, recipe_of_text, recipe_text
from .safetensors_file import network_in, safetensors_bytes

__all__ = [
    "CHECKED",
    "FORMATS",
    "READABLE",
    "WRITABLE",
    "Format",
    "Made",
    "export_network",
    "format_for",
    "network_in",
    "no_onnx",
    "onnx_bytes",
    "recipe_in",
    "recipe_of_text",
    "recipe_text",
    "safetensors_bytes",
]


@dataclass(frozen=True)
class Format:
    """title: for a menu; suffix: of its files; mime: for a download."""

    title: str
    suffix: str
    mime: str = "application/octet-stream"

    def refuses(self) -> str:
        """Why it cannot be written on this machine, in words that end a sentence; "" when it can."""
        return no_onnx() if self.suffix == ".onnx" else ""


FORMATS = {
    "onnx": Format("ONNX, quantized weights as bytes", ".onnx"),
    "onnx-float": Format("ONNX, all weights as 32-bit floats", ".onnx"),
    "safetensors": Format("safetensors, all weights as 32-bit floats", ".safetensors"),
}


def export_network(
    loaded: Loaded,
    format: str,
    *,
    dataset: Dataset | None = None,
    images: int = CHECKED,
    progress: Progress | None = None,
) -> Made:
    """The network of a .wbz in one of FORMATS; arguments and errors as for `onnx_bytes`."""
    if format not in FORMATS:
        raise WorkbenchError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")
    if format == "safetensors":
        return safetensors_bytes(loaded, progress=progress)
    return onnx_bytes(loaded, codes=format == "onnx", dataset=dataset, images=images, progress=progress)


def format_for(path: Path | None) -> str:
    """The format that a file's name asks for, the first when there is none; WorkbenchError when none has this name."""
    if path is None:
        return next(iter(FORMATS))
    for name, format in FORMATS.items():
        if path.suffix == format.suffix:
            return name
    known = " or ".join(dict.fromkeys(format.suffix for format in FORMATS.values()))
    raise WorkbenchError(f"What is written to {path} has to end in {known}, or be named by --format.")
