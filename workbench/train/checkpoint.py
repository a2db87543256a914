"""A training that was killed goes on from here to the same result: one safetensors file, replaced after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..core.errors import FileError, WorkbenchError
from ..core.recipe import to_json
from ..core.records import Accuracy
from ..core.training import EpochRow
from ..networks import write_tensors


@dataclass
class State:
    """How far a training is. `best` holds the tensors after `best_epoch`, counted from 1."""

    history: list[EpochRow] = field(default_factory=list)
    best_epoch: int = 0
    validation: Accuracy | None = None
    best: dict[str, Tensor] = field(default_factory=dict)

    def add(self, loss: float, seen: Accuracy, network: nn.Module) -> None:
        """Note an epoch; it is the best so far when more is right, or as much with a smaller loss."""
        assert seen.loss is not None
        self.history.append(EpochRow(len(self.history) + 1, loss, seen.accuracy, seen.loss))
        if self.validation is None or _rank(seen) > _rank(self.validation):
            self.best_epoch, self.validation = len(self.history), seen
            self.best = {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _rank(seen: Accuracy) -> tuple[int, float]:
    assert seen.loss is not None
    return seen.correct, -seen.loss


class _Header(msgspec.Struct):
    key: str
    history: list[EpochRow]
    best_epoch: int
    validation: Accuracy


def save(path: Path, key: str, state: State, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Replace the file at once, so that a kill while writing loses one epoch at most."""
    assert state.validation is not None
    header = _Header(key, state.history, state.best_epoch, state.validation)
    tensors = {f"now/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in state.best.items()}
    tensors |= {f"optimizer/{name}": tensor for name, tensor in _memory(optimizer).items()}
    write_tensors(path, tensors, {"workbench": to_json(header)})


def epochs_in(path: Path, key: str | None = None) -> int:
    """How many epochs the checkpoint holds; 0 when it is not there, damaged or, with a key, of another training."""
    try:
        with safe_open(path, framework="pt") as file:
            header = msgspec.json.decode((file.metadata() or {}).get("workbench", ""), type=_Header)
    except (SafetensorError, OSError, msgspec.DecodeError):
        return 0
    return len(header.history) if key in (None, header.key) else 0


def restore(path: Path, key: str, network: nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """Set network and optimizer to where they were; WorkbenchError for the checkpoint of another training."""
    try:
        with safe_open(path, framework="pt") as file:
            header = msgspec.json.decode((file.metadata() or {}).get("workbench", ""), type=_Header)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, msgspec.DecodeError) as error:
        raise FileError(f"{path} is not a checkpoint of a training: {str(error).rstrip('.')}; delete it.") from None
    if header.key != key:
        raise WorkbenchError(f"{path} is the checkpoint of another training; delete it or write somewhere else.")
    network.load_state_dict(_under("now/", tensors))
    _remember(optimizer, _under("optimizer/", tensors))
    return State(header.history, header.best_epoch, header.validation, _under("best/", tensors))


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _memory(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers of each parameter: `3.exp_avg` -> tensor."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{k}": v for i, kept in state.items() for k, v in kept.items() if isinstance(v, Tensor)}


def _remember(optimizer: torch.optim.Optimizer, memory: Mapping[str, Tensor]) -> None:
    """A fused optimizer walks raw memory, so each tensor gets the strides of its parameter back."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in memory.items():
        i, _, key = name.partition(".")
        like = parameters[int(i)]
        state.setdefault(int(i), {})[key] = torch.empty_like(like).copy_(tensor) if tensor.ndim else tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
