"""What somebody at a keyboard names: a network by its code, and weights in a file."""

from __future__ import annotations

from pathlib import Path

from ..core.progress import Progress
from ..data import load_dataset
from ..networks import adopt_file, names_file, use_weights


def network_from(
    network: str, dataset: str, *, weights: Path | None = None, seed: int = 0, progress: Progress | None = None
) -> str:
    """The name by which everything else knows `network`, which may be `FILE.py:FACTORY`; runs what is in that file.

    weights: a safetensors file for it. seed: of what the code draws. Raises WorkbenchError, Cancelled.
    """
    if weights is None and not names_file(network):
        return network
    data = load_dataset(dataset, progress)
    shape, classes = data.input_shape, len(data.classes)
    if names_file(network):
        network = adopt_file(network, input_shape=shape, classes=classes, seed=seed).name
    if weights is not None:
        use_weights(network, data.name, weights, input_shape=shape, classes=classes)
    return network
