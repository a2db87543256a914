"""Training whose result is kept at home as `network@LABEL`, and which a killed process does not lose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import WorkbenchError
from ..core.home import home
from ..core.progress import Progress
from ..core.recipe import to_json
from ..core.training import DONE, Training
from ..data import load_dataset
from ..networks import KeptWeights, checked_label, free_label, keep_weights, network_named
from . import checkpoint as checkpoints
from .device import AUTO, device_named
from .scratch import Trained, Trainer
from .settings import TrainSettings, recommended
from .weights import taught, tested


@dataclass(frozen=True)
class Plan:
    """What is to be trained, by whom taught if by anybody, and what the result will be called."""

    network: str
    dataset: str
    settings: TrainSettings
    teacher: str = ""
    label: str = "mine"

    @classmethod
    def usual(cls, network: str, dataset: str) -> Plan:
        """The settings that suit the pair, and the first label that is free."""
        return cls(network, dataset, recommended(network, dataset), label=free_label(network, dataset))

    @property
    def checkpoint(self) -> Path:
        """Where it lies while it is not finished; another label does not make it another training."""
        text = to_json(replace(self, label=""))
        return home() / "training" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.checkpoint"

    @property
    def epochs_done(self) -> int:
        """How many epochs of it an earlier, stopped training has left, as far as its file says."""
        return checkpoints.epochs_in(self.checkpoint)

    def check(self) -> None:
        """WorkbenchError when it cannot be begun; nothing is loaded."""
        network_named(self.network)
        checked_label(self.label)
        if free_label(self.network, self.dataset, self.label) != self.label:
            raise WorkbenchError(f"There are weights {self.network}@{self.label} already; take another name.")


class KeptTraining:
    """One training on its way home. `run` may be interrupted and called again; it goes on from where it was."""

    def __init__(self, plan: Plan, *, fresh: bool = False, device: str = AUTO) -> None:
        """fresh: begin from the initialisation even where a stopped training could be gone on with."""
        plan.check()
        device_named(device)
        self.plan, self._fresh, self._device = plan, fresh, device
        self._trainer: Trainer | None = None
        self._trained: Trained | None = None

    def run(self, progress: Progress) -> KeptWeights:
        """Train, measure on the test split, keep. Raises Cancelled within one step, WorkbenchError when it fails."""
        if self._trainer is None:
            self._trainer = self._begun(progress)
        self._trained = self._trained or self._trainer.run(progress)
        return self._kept(self._trained, progress)

    @property
    def training(self) -> Training:
        """As far as it is."""
        plan = self.plan
        begun = Training(plan.network, plan.dataset, plan.settings.epochs, label=plan.label)
        return begun if self._trainer is None else self._trainer.watch.training

    def _begun(self, progress: Progress) -> Trainer:
        plan, path = self.plan, self.plan.checkpoint
        data = load_dataset(plan.dataset, progress)
        teacher = taught(plan.teacher, plan.dataset)
        _made(path.parent)
        if self._fresh or not checkpoints.epochs_in(path, Trainer.key(plan.network, data, plan.settings, teacher)):
            path.unlink(missing_ok=True)
        return Trainer(
            plan.network,
            data,
            settings=plan.settings,
            teacher=teacher,
            checkpoint=path,
            device=self._device,
            label=plan.label,
        )

    def _kept(self, trained: Trained, progress: Progress) -> KeptWeights:
        plan, quiet = self.plan, Progress(cancelled=progress.cancelled)
        info = tested(plan.network, plan.dataset, plan.settings, trained, teacher=plan.teacher, progress=quiet)
        label = free_label(plan.network, plan.dataset, plan.label)  # another process may have taken it meanwhile
        found = keep_weights(trained.network, info, label)
        plan.checkpoint.unlink(missing_ok=True)
        assert self._trainer is not None
        self._trainer.watch.end(progress, outcome=DONE, label=label, test=info.test)
        return found


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkbenchError(f"{folder} cannot be made: {error.strerror or error}.") from None
