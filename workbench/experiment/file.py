"""Measure a file: the one way in which any number about a compressed network comes about."""

from __future__ import annotations

from functools import lru_cache

from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.records import Measurement
from ..data import Dataset
from ..layers.activations import InputQuantizer
from ..measure.accuracy import accuracy
from ..measure.counts import dense_bytes, nonzeros, parameters
from ..measure.latency import latency
from ..measure.macs import total_macs
from ..networks import NetworkSpec, network_named
from ..networks.artifact import Loaded

LATENCY_RUNS = 20


def measure_file(loaded: Loaded, dataset: Dataset, *, split: str, progress: Progress | None = None) -> Measurement:
    """Accuracy of the network that was read from a file on one split of `dataset`, beside what it costs.

    WorkbenchError when the images or the classes of the dataset do not fit the network.
    """
    progress = progress or Progress()
    shape = tuple(loaded.header["input_shape"])
    _check_fit(loaded, dataset)
    progress("measuring accuracy", 0.1)
    found = accuracy(loaded.network, dataset.split(split), split=split, progress=progress)
    progress("measuring time", 0.7)
    timed = latency(loaded.network, shape, runs=LATENCY_RUNS, progress=progress)
    spec = network_named(str(loaded.header["network"])).fitted(shape, int(loaded.header["classes"]))
    whole_bytes, whole_macs = _dense(spec)
    return Measurement(
        accuracy=found,
        file_bytes=loaded.file_bytes,
        dense_bytes=whole_bytes,
        bytes_by_part=dict(loaded.parts),
        parameters=parameters(loaded.network),
        nonzeros=nonzeros(loaded.network),
        macs=total_macs(loaded.network, shape),
        dense_macs=whole_macs,
        latency=timed,
        arithmetic=_arithmetic(loaded),
    )


@lru_cache(maxsize=64)
def _dense(spec: NetworkSpec) -> tuple[int, int]:
    """(bytes, MACs) of the network as its builder makes it."""
    dense = spec.build().eval()
    return dense_bytes(dense), total_macs(dense, spec.input_shape)


def _check_fit(loaded: Loaded, dataset: Dataset) -> None:
    name, shape, classes = (loaded.header[key] for key in ("network", "input_shape", "classes"))
    if tuple(shape) != tuple(dataset.input_shape) or classes != len(dataset.classes):
        raise WorkbenchError(
            f"The file holds a {name} for images of {_times(shape)} in {classes} classes; {dataset.name} has images of "
            f"{_times(dataset.input_shape)} in {len(dataset.classes)} classes."
        )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _arithmetic(loaded: Loaded) -> str:
    """What ran while time was measured; codes are decoded before use, so their speed is simulated."""
    codes = sorted({e.values.kind for e in loaded.tensors.values() if e.values.quantized})
    widths = sorted({m.bits for m in loaded.network.modules() if isinstance(m, InputQuantizer)})
    did = [f"weights stored as {' and '.join(codes)}, decoded before use"] if codes else []
    did += [f"inputs of layers rounded to {' and '.join(map(str, widths))} bits"] if widths else []
    return "float32" + (f"; {', '.join(did)} (simulated, no integer arithmetic)" if did else "")
