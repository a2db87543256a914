"""ONNX: the compressed network for other runtimes, written only when onnxruntime answers as torch does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import torch

from .. import __version__
from ..core.context import Batch
from ..core.errors import Cancelled, WorkbenchError
from ..core.exported import Check, Exported
from ..core.progress import Progress
from ..data import Dataset, load_dataset
from ..layers.watch import watch
from ..networks.artifact import Loaded
from ._check import checked
from ._codes import FLOAT, put_codes
from ._graph import IMAGES, SCORES, WRITERS, graph_of
from ._made import Made, no_onnx
from ._notes import notes_of

CHECKED = 1000
"""Validation images that a file is checked on."""
SPLIT = "validation"
PREFIX = "workbench."
"""Of every key of the file's metadata."""


def onnx_bytes(
    loaded: Loaded,
    *,
    codes: bool = True,
    dataset: Dataset | None = None,
    images: int = CHECKED,
    progress: Progress | None = None,
) -> Made:
    """The network of a .wbz as an ONNX file, checked on validation images.

    Input `images` (batch, channels, height, width) float32 as the dataset has them, output `scores` (batch, classes),
    for any batch. codes: quantized weights as bytes that the file itself decodes, to the same floats; otherwise all
    is float32. dataset: the one it was made on by default. WorkbenchError, in one sentence, where it cannot be
    written or computes something else; Cancelled.
    """
    if why := no_onnx():
        raise WorkbenchError(f"ONNX cannot be written here: {why}.")
    progress, began = progress or Progress(), time.perf_counter()
    data = dataset or load_dataset(str(loaded.header["dataset"]), progress)
    _check_fit(loaded, data)
    graph, stored, check = _first_that_holds(loaded, codes, spread(data.split(SPLIT), images), progress)
    record = Exported(
        format="onnx" if codes else "onnx-float",
        network=str(loaded.header["network"]),
        dataset=data.name,
        file_bytes=0,
        wbz_bytes=loaded.file_bytes,
        seconds=time.perf_counter() - began,
        check=check,
        stored=stored,
    )
    _describe(graph, loaded, data, record)
    content: bytes = graph.SerializeToString(deterministic=True)
    record = replace(record, file_bytes=len(content))
    return Made(content, replace(record, notes=notes_of(record, loaded)))


def _check_fit(loaded: Loaded, data: Dataset) -> None:
    name, shape, classes = (loaded.header[key] for key in ("network", "input_shape", "classes"))
    if tuple(shape) != tuple(data.input_shape) or classes != len(data.classes):
        raise WorkbenchError(
            f"The file's {name} takes images of {_times(shape)} in {classes} classes; {data.name} has "
            f"{_times(data.input_shape)} in {len(data.classes)}."
        )


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def spread(batch: Batch, n: int) -> Batch:
    """At most n images at even distances, so that a sorted split is not cut off after its first classes."""
    if n < 1:
        raise WorkbenchError(f"export: images must be at least 1; got {n}.")
    rows = torch.linspace(0, len(batch.labels) - 1, min(n, len(batch.labels))).round().long()
    return Batch(batch.images[rows], batch.labels[rows])


def _first_that_holds(
    loaded: Loaded, codes: bool, batch: Batch, progress: Progress
) -> tuple[Any, dict[str, str], Check]:
    """(graph, how its weights are written, what was found) of the first exporter whose graph computes the same."""
    shape = loaded.header["input_shape"]
    decides = watch(loaded.network, shape).decides
    writers = WRITERS[bool(decides) :]  # a trace would keep the one decision that it saw
    reasons = [f"its code decides by the values it is given ({', '.join(map(_place, decides))})"] if decides else []
    for i, write in enumerate(writers):
        part = progress.part(i / len(writers), (i + 1) / len(writers))
        part("writing ONNX", 0.0)
        try:
            graph = graph_of(write, loaded.network, shape)
            stored = put_codes(graph, loaded.tensors) if codes else {i.name: FLOAT for i in graph.graph.initializer}
            return graph, stored, checked(graph.SerializeToString(), loaded.network, batch, SPLIT, part)
        except Cancelled:
            raise
        except Exception as error:  # exporters and runtimes raise whatever they like about anybody's network
            reasons.append((str(error) or type(error).__name__).strip().splitlines()[0].rstrip(". "))
    raise WorkbenchError(f"{loaded.header['network']} cannot be written as ONNX: {reasons[0]}.")


def _place(module: str) -> str:
    return module or "the network itself"


def _describe(graph: Any, loaded: Loaded, data: Dataset, record: Exported) -> None:
    """Who made it of what, how well it does and how it was checked, for whoever finds the file later."""
    assert record.check is not None
    graph.producer_name, graph.producer_version = "compression-workbench", __version__
    graph.graph.name, graph.graph.doc_string = record.network, f"{record.network}, compressed, on {data.title}"
    values = "as normalised there" if data.normalised else "values in [0, 1]"
    graph.graph.input[0].doc_string = f"{IMAGES}: (batch, channels, height, width) of {data.name}, {values}"
    graph.graph.output[0].doc_string = f"{SCORES}: (batch, classes), the highest is the answer"
    for node in graph.graph.node:  # where on this machine the code of each lies
        node.doc_string = ""
        del node.metadata_props[:]
    about = {
        "network": record.network,
        "dataset": record.dataset,
        "classes": msgspec.json.encode(data.classes).decode(),
        "recipe": msgspec.json.encode(loaded.header["recipe"]).decode(),
        "accuracy": f"{record.check.correct} of {record.check.n} {record.check.split} images",
        "check": msgspec.json.encode(record.check).decode(),
        "stored": msgspec.json.encode(record.stored).decode(),
        "wbz_bytes": str(record.wbz_bytes),
        "made_by": f"compression-workbench {__version__}, torch {torch.__version__}",
    }
    del graph.metadata_props[:]
    for key, value in about.items():
        graph.metadata_props.add(key=PREFIX + key, value=value)
