"""Training a network of the zoo from its initialisation, with or without a teacher."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .. import __version__
from ..core.context import Loss
from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.recipe import to_json
from ..core.records import Accuracy
from ..data import Dataset, load_dataset
from ..measure.accuracy import accuracy
from ..networks import build, digest_of, network_named
from . import checkpoint as checkpoints
from .checkpoint import EpochRow, State
from .loop import Loop, optimizer_for, threads
from .losses import cross_entropy, distilled
from .settings import TrainSettings


@dataclass(frozen=True, eq=False)
class Trained:
    """A network in eval mode with its weights after `best_epoch`, which was best on the validation split."""

    network: nn.Module
    history: tuple[EpochRow, ...]
    best_epoch: int
    validation: Accuracy


def train_network(
    network: str,
    dataset: str,
    *,
    settings: TrainSettings,
    teacher: nn.Module | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Train on the train split, choose the epoch on validation; the test split is not looked at.

    checkpoint: a file that is written after each epoch and, when it is there already, gone on from; the result is
    that of an uninterrupted training. Raises Cancelled within one step, WorkbenchError when the two do not fit.
    """
    progress = progress or Progress()
    data = load_dataset(dataset, progress)
    _check_fit(network, data)
    with threads(settings.threads):
        student = build(network, settings.seed)
        student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        loss = _loss(settings, teacher)
        loop = Loop(student, data.train, settings, loss, optimizer_for(student, settings), progress)
        state = _run(loop, data, checkpoint, _key(network, data, settings, teacher))
    student.load_state_dict(state.best)
    student.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    assert state.validation is not None
    return Trained(student.eval(), tuple(state.history), state.best_epoch, state.validation)


def _run(loop: Loop, data: Dataset, checkpoint: Path | None, key: str) -> State:
    state = State()
    if checkpoint is not None and checkpoint.exists():
        state = checkpoints.restore(checkpoint, key, loop.network, loop.optimizer)
    while not _finished(state, loop.settings):
        loss = loop.epoch(len(state.history))
        unheard = Progress(cancelled=loop.progress.cancelled)
        state.add(loss, accuracy(loop.network, data.validation, split="validation", progress=unheard), loop.network)
        if checkpoint is not None:
            checkpoints.save(checkpoint, key, state, loop.network, loop.optimizer)
    return state


def _finished(state: State, settings: TrainSettings) -> bool:
    done = len(state.history)
    return done >= settings.epochs or (settings.patience > 0 and done - state.best_epoch >= settings.patience)


def _loss(settings: TrainSettings, teacher: nn.Module | None) -> Loss:
    if teacher is None:
        return cross_entropy(settings.label_smoothing)
    weight, temperature = settings.teacher_weight, settings.temperature
    return distilled(teacher, temperature=temperature, weight=weight, label_smoothing=settings.label_smoothing)


def _check_fit(network: str, data: Dataset) -> None:
    spec = network_named(network)
    if spec.input_shape != data.input_shape or spec.classes != len(data.classes):
        raise WorkbenchError(
            f"{network} takes images of {spec.input_shape} in {spec.classes} classes; "
            f"{data.name} has images of {data.input_shape} in {len(data.classes)}."
        )


def _key(network: str, data: Dataset, settings: TrainSettings, teacher: nn.Module | None) -> str:
    taught = "" if teacher is None else digest_of(teacher)
    text = to_json([__version__, network, data.digest, settings, taught])
    return hashlib.sha256(text.encode()).hexdigest()
