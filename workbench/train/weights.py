"""A trained network as a safetensors file that says how it was made and how good it is."""

from __future__ import annotations

import platform
import shlex
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from torch import nn

from .. import __version__
from ..core.errors import WorkbenchError
from ..core.knob import knobs_of, spelled
from ..core.progress import Progress
from ..core.records import Accuracy
from ..data import load_dataset
from ..measure.accuracy import accuracy
from ..networks import WeightsInfo, digest_of, network_named, pretrained, write_tensors
from .device import AUTO
from .loop import threads
from .scratch import Trained, train_network
from .settings import TrainSettings, recommended

_LIBRARIES = ("torch", "numpy", "scikit-learn", "safetensors")


def save_weights(path: Path, network: nn.Module, metadata: dict[str, str]) -> None:
    """Write the state dict with `metadata` in the header; WorkbenchError when the place cannot be written."""
    write_tensors(path, network.state_dict(), metadata)


def train_to_file(
    network: str,
    dataset: str,
    *,
    settings: TrainSettings,
    out: Path,
    teacher: str = "",
    progress: Progress | None = None,
    device: str = AUTO,
) -> WeightsInfo:
    """Train, measure once on the test split, and write `out` with how it was made in its header.

    teacher: the name of a network with weights on this dataset, which teaches, or "". While it trains,
    `<out>.checkpoint` lies beside `out`; after a kill or a cancel the same call goes on from it. device: as for
    `train_network`.
    """
    progress, out = progress or Progress(), Path(out)
    _check_place(out)
    checkpoint = out.with_name(out.name + ".checkpoint")
    taught_by = taught(teacher, dataset)
    trained = train_network(
        network, dataset, settings=settings, teacher=taught_by, progress=progress, checkpoint=checkpoint, device=device
    )
    info = tested(network, dataset, settings, trained, teacher=teacher, progress=progress)
    save_weights(out, trained.network, info.to_metadata())
    checkpoint.unlink(missing_ok=True)
    return info


def taught(teacher: str, dataset: str) -> nn.Module | None:
    """The teacher by name, None for ""; WorkbenchError when it has no weights on `dataset`."""
    if not teacher:
        return None
    data = load_dataset(dataset)
    return pretrained(teacher, dataset, input_shape=data.input_shape, classes=len(data.classes))


def tested(
    network: str, dataset: str, settings: TrainSettings, trained: Trained, *, teacher: str, progress: Progress
) -> WeightsInfo:
    """How it was made, and how good it is on the test split, which is looked at here alone."""
    with threads(settings.threads):
        test = accuracy(trained.network, load_dataset(dataset).test, split="test", progress=progress)
    return _info(network, dataset, settings, trained, test, teacher)


def command_for(network: str, dataset: str, settings: TrainSettings, teacher: str = "", device: str = "cpu") -> str:
    """The command line that repeats a training: a flag for every setting that is not the recommended one.

    device: the kind it was trained on, spelled out for other kinds than the CPU's.
    """
    usual = recommended(network, dataset)
    words = ["workbench", "train", "--network", network_named(network).source or network, "--dataset", dataset]
    words += ["--teacher", teacher] if teacher else []
    for name in knobs_of(settings):
        if getattr(settings, name) != getattr(usual, name):
            words += ["--" + name.replace("_", "-"), spelled(getattr(settings, name))]
    words += ["--device", device] if device != "cpu" else []
    return shlex.join(words)


def _info(
    network: str, dataset: str, settings: TrainSettings, trained: Trained, test: Accuracy, teacher: str
) -> WeightsInfo:
    data = load_dataset(dataset)
    return WeightsInfo(
        network=network,
        dataset=dataset,
        command=command_for(network, dataset, settings, teacher, trained.device),
        recipe=asdict(settings),
        seed=settings.seed,
        epochs=len(trained.history),
        best_epoch=trained.best_epoch,
        test=test,
        validation=trained.validation,
        data=data.title,
        data_digest=data.digest,
        versions=_versions(),
        teacher=teacher,
        digest=digest_of(trained.network),
        input_shape=data.input_shape,
        classes=len(data.classes),
        device=trained.device,
    )


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in _LIBRARIES}
    return {"workbench": __version__, "python": platform.python_version(), "machine": platform.machine(), **libraries}


def _check_place(out: Path) -> None:
    if not out.parent.is_dir() or out.is_dir():
        raise WorkbenchError(f"{out} cannot be written: its folder must exist, and it must not be a folder itself.")
