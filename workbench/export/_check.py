"""An ONNX file beside the network it was made of: onnxruntime against torch, image by image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.context import Batch
from ..core.errors import WorkbenchError
from ..core.exported import Check
from ..core.progress import Progress
from ..layers.activations import InputQuantizer
from ..measure.evaluate import CHUNK, scores
from ._graph import IMAGES, SCORES

CLOSE = 1e-3
"""Largest difference that summing in another order explains, over the largest score; measured ones are below 1e-5."""
MOST = 0.98
"""Share of equal answers that a network keeps which rounds its activations: a sum that comes out one bit higher may
round to the next step, and scores then differ by more than sums do."""


def session_of(data: bytes) -> Any:
    """An onnxruntime session on the CPU, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def answers(session: Any, images: Tensor) -> Tensor:
    """What the file answers. images: (n, channels, height, width) -> (n, classes)."""
    (found,) = session.run([SCORES], {IMAGES: np.ascontiguousarray(images.numpy())})
    return torch.from_numpy(found)


def checked(data: bytes, network: nn.Module, batch: Batch, split: str, progress: Progress) -> Check:
    """Both on every image of `batch`; WorkbenchError when the file does not compute what the network does."""
    import onnxruntime

    session = session_of(data)
    largest = scale = 0.0
    same = correct = 0
    # The first batch has one image: a graph that works for the traced size alone is found out.
    starts = [0, *range(1, len(batch.labels), CHUNK)]
    for start, end in zip(starts, [*starts[1:], len(batch.labels)], strict=True):
        progress("comparing with torch", start / len(batch.labels))
        images, labels = batch.images[start:end], batch.labels[start:end]
        theirs, ours = answers(session, images), scores(network, images)
        if theirs.shape != ours.shape or not bool(torch.isfinite(theirs).all()):
            raise WorkbenchError(f"the exported network answers {tuple(theirs.shape)} instead of {tuple(ours.shape)}")
        largest = max(largest, float((theirs - ours).abs().max()))
        scale = max(scale, float(ours.abs().max()))
        same += int((theirs.argmax(1) == ours.argmax(1)).sum())
        correct += int((theirs.argmax(1) == labels).sum())
    found = Check(largest, scale, same, correct, len(batch.labels), split, f"onnxruntime {onnxruntime.__version__}")
    _refuse_others(found, rounds(network))
    return found


def rounds(network: nn.Module) -> bool:
    """Whether activations are rounded on the way."""
    return any(isinstance(module, InputQuantizer) for module in network.modules())


def _refuse_others(found: Check, rounding: bool) -> None:
    off = found.same / found.n < MOST if rounding else found.largest_difference > CLOSE * max(found.largest_score, 1e-3)
    if off:
        raise WorkbenchError(
            f"the exported network differs by up to {found.largest_difference:.3g} in its scores and answers "
            f"{found.n - found.same} of {found.n} images otherwise"
        )
