"""Where a training computes: the CPU or a CUDA device, by name."""

from __future__ import annotations

import re

import torch

from ..core.errors import WorkbenchError

AUTO = "auto"


def device_named(name: str) -> torch.device:
    """`auto` (CUDA where there is some), `cpu`, `cuda` or `cuda:N`; WorkbenchError for one that is not here."""
    if name == "cpu" or (name == AUTO and not torch.cuda.is_available()):
        return torch.device("cpu")
    found = re.fullmatch(r"auto|cuda(?::(\d{1,4}))?", name)
    if found is None:
        raise WorkbenchError(f"The device must be auto, cpu, cuda or cuda:N; got {name[:40]!r}.")
    number, there = int(found[1] or 0), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= there:
        here = ", ".join(f"cuda:{i}" for i in range(there)) or "no CUDA device"
        raise WorkbenchError(f"There is no {name} here, only cpu and {here}; --device cpu is always there.")
    return torch.device("cuda", number)


def device_of(network: torch.nn.Module) -> torch.device:
    """Where its parameters lie."""
    return next((p.device for p in network.parameters()), torch.device("cpu"))
