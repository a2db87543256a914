"""A file for other programs, in memory, and what is known about it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from ..core.exported import Exported

EXTRA = ("onnx", "onnxruntime", "onnxscript")


class Made(NamedTuple):
    """data: the whole file. record: what it is and how it was checked."""

    data: bytes
    record: Exported


@cache
def no_onnx() -> str:
    """Why nothing can be written as ONNX here, in words that end a sentence; "" when it can."""
    lacking = [name for name in EXTRA if find_spec(name) is None]
    if not lacking:
        return ""
    return f"it takes {' and '.join(lacking)}, which `pip install {' '.join(lacking)}` brings"
