"""Run a recipe: compress, write the file, read it back, measure what was read."""

from __future__ import annotations

import platform
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from .. import __version__
from ..core.compressed import Compressed, layers_of, weight_of
from ..core.errors import WorkbenchError
from ..core.notes import about as about_layer
from ..core.progress import Progress
from ..core.recipe import Recipe, Step, covers, to_json
from ..core.records import LayerRow, Provenance, Run, Stage
from ..core.survey import left_out, survey
from ..measure.counts import nonzeros, parameters
from ..measure.evaluate import scores
from ..measure.macs import macs
from ..networks.artifact import Loaded, load, pack_model, save
from .file import measure_file
from .pipeline import canonical, compress
from .store import Store
from .subject import Subject, subject_named


class Result(NamedTuple):
    """A run and the file it measured."""

    run: Run
    data: bytes


@dataclass
class Making:
    """A run on its way: the recipe with every knob, and the network after each of its steps."""

    recipe: Recipe
    subject: Subject
    model: Compressed
    trail: tuple[tuple[Step, Compressed], ...]
    began: float


def run(
    recipe: Recipe,
    *,
    split: str = "test",
    store: Store | None = None,
    progress: Progress | None = None,
    subject: Subject | None = None,
) -> Result:
    """Compress as the recipe says and measure the file on `split`.

    WorkbenchError when the recipe makes no sense, Cancelled when the work is no longer wanted. With a store, the
    run is kept there.
    """
    progress = progress or Progress()
    subject = subject or subject_named(recipe.network, recipe.dataset, progress)
    making = make(recipe, subject, progress=progress.part(0.0, 0.7))
    return finish(making, split=split, store=store, progress=progress.part(0.7, 1.0))


def make(recipe: Recipe, subject: Subject, *, progress: Progress) -> Making:
    """The compressing half: every step of the recipe, on copies."""
    recipe, began = canonical(recipe), time.perf_counter()
    trail: list[tuple[Step, Compressed]] = []
    model = compress(recipe, subject, progress=progress, after=lambda step, after: trail.append((step, after)))
    return Making(recipe, subject, model, tuple(trail), began)


def finish(making: Making, *, split: str, store: Store | None, progress: Progress) -> Result:
    """The measuring half: write, read back, measure what was read, keep."""
    loaded, data = written(making)
    result = Run(
        recipe=making.recipe,
        measurement=measure_file(loaded, making.subject.dataset, split=split, progress=progress),
        layers=_rows(making, loaded),
        decisions=making.model.decisions,
        stages=_stages(making, loaded),
        provenance=_provenance(making),
        notes=_notes(making),
    )
    if store is not None:
        store.put(result, making.subject.fingerprint)
    return Result(result, data)


def written(making: Making) -> tuple[Loaded, bytes]:
    """The file as it was read back, and its bytes."""
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        path = Path(folder) / "network.wbz"
        save(path, making.model, **about(making.recipe, making.subject))
        loaded, data = load(path), path.read_bytes()
    assert_same(making.model, loaded)
    _check_answer(making, loaded)
    return loaded, data


def assert_same(model: Compressed, loaded: Loaded) -> None:
    """What was read back is what ran, bit for bit."""
    ran, read = model.network.state_dict(), loaded.network.state_dict()
    for name, tensor in ran.items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, read[name]), f"{name} was not read back as it ran"


def _check_answer(making: Making, loaded: Loaded) -> None:
    """Equal tensors do not make equal networks where one of them holds more than its tensors."""
    image = torch.rand(1, *making.subject.dataset.input_shape, generator=torch.Generator().manual_seed(0))
    ran, read = scores(making.model.network, image), scores(loaded.network, image)
    if not torch.allclose(ran, read, rtol=1e-3, atol=1e-5 * float(ran.abs().max())):
        raise WorkbenchError(
            f"{making.subject.name} answers otherwise once it has been read back: it holds values that are neither "
            "parameters nor buffers, so that no file has them (register_buffer stores them)."
        )


def about(recipe: Recipe, subject: Subject) -> dict[str, Any]:
    """What the header of the recipe's file says."""
    return {
        "network": subject.name,
        "dataset": subject.dataset.name,
        "input_shape": subject.dataset.input_shape,
        "classes": subject.classes,
        "recipe_json": to_json(recipe),
    }


def _stages(making: Making, loaded: Loaded) -> tuple[Stage, ...]:
    """The file after each step; the last one is the file that was written."""
    stages = []
    for i, (step, model) in enumerate(making.trail):
        last = i == len(making.trail) - 1
        parts = loaded.parts if last else pack_model(model, **about(making.recipe, making.subject)).parts
        counts = parameters(model.network), nonzeros(model.network)
        stages.append(Stage(str(step), sum(parts.values()), dict(parts), *counts))
    return tuple(stages)


def _notes(making: Making) -> tuple[str, ...]:
    """What did not happen as asked, and what no method acts on."""
    return (*making.model.notes, *left_out(survey(making.subject.network)))


def _rows(making: Making, loaded: Loaded) -> tuple[LayerRow, ...]:
    """One row per weight of the compressed network; the parts of a factorised layer count against the whole."""
    dense = {x.name: weight_of(making.subject.network, x).numel() for x in layers_of(making.subject.network)}
    cost, notes = macs(loaded.network, making.subject.dataset.input_shape), _notes(making)
    rows = []
    for layer in layers_of(loaded.network):
        weight = weight_of(loaded.network, layer)
        whole = next(name for name in dense if covers(name, layer.name))
        encoded = making.model.encoded.get(layer.tensor)
        kind = "float" if encoded is None else encoded.values.kind
        rows.append(
            LayerRow(
                layer=layer.name,
                kind=layer.kind,
                shape=tuple(weight.shape),
                parameters=weight.numel(),
                nonzeros=int(torch.count_nonzero(weight)),
                macs=cost.get(layer.name, 0),
                file_bytes=loaded.tensor_bytes[layer.tensor],
                dense_parameters=dense[whole],
                stored_as=kind + ("" if encoded is None or encoded.keep is None else ", sparse"),
                methods=tuple(s.method for s in making.recipe.steps if _acted(s, layer.name)),
                note=about_layer(whole, notes),
                whole=whole,
            )
        )
    return tuple(rows)


def _acted(step: Step, layer: str) -> bool:
    return not step.layers or any(covers(name, layer) for name in step.layers)


def _provenance(making: Making) -> Provenance:
    return Provenance(
        workbench=__version__,
        torch=str(torch.__version__),
        numpy=np.__version__,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        threads=torch.get_num_threads(),
        weights=making.subject.weights,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - making.began, 4),
        data=making.subject.dataset.title,
        data_digest=making.subject.dataset.digest,
        remarks=making.subject.dataset.remarks,
    )
