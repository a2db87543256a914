"""Training a network of the zoo from its initialisation, with or without a teacher."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
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
from ..core.training import EpochRow, Training
from ..data import Dataset, load_dataset
from ..measure.accuracy import accuracy
from ..networks import build, digest_of, network_named, split_label
from . import checkpoint as checkpoints
from .checkpoint import State
from .device import AUTO, device_named
from .loop import Loop, Seen, optimizer_for, threads
from .losses import cross_entropy, distilled
from .settings import TrainSettings
from .watch import Watch


@dataclass(frozen=True, eq=False)
class Trained:
    """A network in eval mode on the CPU with its weights after `best_epoch`, which was best on the validation split.

    device: what kind it was trained on.
    """

    network: nn.Module
    history: tuple[EpochRow, ...]
    best_epoch: int
    validation: Accuracy
    device: str = "cpu"


def train_network(
    network: str,
    dataset: str,
    *,
    settings: TrainSettings,
    teacher: nn.Module | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    device: str = AUTO,
) -> Trained:
    """Train on the train split, choose the epoch on validation; the test split is not looked at.

    checkpoint: a file that is written after each epoch and, when it is there already, gone on from; the result is
    that of an uninterrupted training. device: auto, cpu, cuda or cuda:N; the same settings give the same result on
    one kind of device. Raises Cancelled within one step, WorkbenchError when network and data do not fit.
    """
    progress = progress or Progress()
    data = load_dataset(dataset, progress)
    trainer = Trainer(network, data, settings=settings, teacher=teacher, checkpoint=checkpoint, device=device)
    return trainer.run(progress)


class Trainer:
    """One training, which can be left between any two steps and gone on with to the same result."""

    def __init__(
        self,
        network: str,
        data: Dataset,
        *,
        settings: TrainSettings,
        teacher: nn.Module | None = None,
        checkpoint: Path | None = None,
        device: str = AUTO,
        label: str = "",
    ) -> None:
        """Arguments as for `train_network`; label: what the result will be called."""
        _check_fit(network, data)
        self._data, self._checkpoint, self._settings = data, checkpoint, settings
        self._device = device_named(device)
        student = build(network, settings.seed, input_shape=data.input_shape, classes=len(data.classes))
        student.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        loss = _loss(settings, teacher, self._device)
        self._loop = Loop(student, data.train, settings, loss, optimizer_for(student, settings))
        self._key = self.key(network, data, settings, teacher)
        self._state = self._restored()
        self._steps: Iterator[Seen] | None = None
        self._seen: Seen | None = None
        history = tuple(self._state.history)
        begun = Training(
            network,
            data.name,
            settings.epochs,
            history,
            best_epoch=self._state.best_epoch,
            n=len(data.validation.labels),
            classes=len(data.classes),
            resumed_at=len(history),
            label=label,
        )
        self.watch = Watch(begun)

    @staticmethod
    def key(network: str, data: Dataset, settings: TrainSettings, teacher: nn.Module | None) -> str:
        """Says which training a checkpoint belongs to; where it is trained makes no difference."""
        text = to_json([__version__, network, data.digest, settings, "" if teacher is None else digest_of(teacher)])
        return hashlib.sha256(text.encode()).hexdigest()

    def run(self, progress: Progress) -> Trained:
        """Train to the end. Raises Cancelled within one step; another call goes on from that step."""
        self.watch.resume(progress)
        with threads(self._settings.threads):
            while not self._finished():
                self._epoch(progress)
        return self._result()

    def _epoch(self, progress: Progress) -> None:
        """What is left of the epoch that runs, or the next one."""
        state, loop = self._state, self._loop
        if self._steps is None:
            self._steps, self._seen = loop.steps(len(state.history)), None
        for seen in self._steps:
            self._seen = seen
            self.watch.step(seen, progress)
        assert self._seen is not None
        unheard = Progress(cancelled=progress.cancelled)
        right = accuracy(loop.network, self._data.validation, split="validation", progress=unheard)
        state.add(self._seen.loss, right, loop.network)
        self._steps = None
        if self._checkpoint is not None:
            checkpoints.save(self._checkpoint, self._key, state, loop.network, loop.optimizer)
        self.watch.epoch(tuple(state.history), state.best_epoch, progress)

    def _restored(self) -> State:
        if self._checkpoint is None or not self._checkpoint.exists():
            return State()
        return checkpoints.restore(self._checkpoint, self._key, self._loop.network, self._loop.optimizer)

    def _finished(self) -> bool:
        done, patience = len(self._state.history), self._settings.patience
        return done >= self._settings.epochs or (patience > 0 and done - self._state.best_epoch >= patience)

    def _result(self) -> Trained:
        state, student = self._state, copy.deepcopy(self._loop.network)
        assert state.validation is not None
        student.load_state_dict(state.best)
        student.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        student.zero_grad(set_to_none=True)
        return Trained(student.eval(), tuple(state.history), state.best_epoch, state.validation, self._device.type)


def _loss(settings: TrainSettings, teacher: nn.Module | None, device: torch.device) -> Loss:
    if teacher is None:
        return cross_entropy(settings.label_smoothing)
    there = copy.deepcopy(teacher).eval().to(device)
    weight, temperature = settings.teacher_weight, settings.temperature
    return distilled(there, temperature=temperature, weight=weight, label_smoothing=settings.label_smoothing)


def _check_fit(network: str, data: Dataset) -> None:
    plain, label = split_label(network)
    if label:
        raise WorkbenchError(f"{network} is trained already; train {plain}, which begins anew.")
    if why := network_named(network).fits(data.input_shape, len(data.classes)):
        raise WorkbenchError(f"{network} cannot be trained on {data.name}: {why}.")
