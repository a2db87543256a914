"""How long one forward pass takes on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ..core.progress import Progress
from ..core.records import Latency
from .evaluate import device_of, evaluating, scores


def latency(
    network: nn.Module,
    input_shape: Sequence[int],
    *,
    batch: int = 1,
    runs: int = 50,
    warmup: int = 10,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Latency:
    """Milliseconds of one forward pass of `batch` images (channels, height, width): median, 10th, 90th percentile.

    The network runs as it is, with its own memory layout. threads: torch's current number when None; what it was
    before comes back afterwards. Raises Cancelled within one pass.
    """
    assert batch >= 1 and runs >= 1 and warmup >= 0, "nothing to time"
    progress, device = progress or Progress(), device_of(network)
    images = torch.zeros(batch, *input_shape, device=device)
    times = []
    with _threads(threads) as used, evaluating(network):
        for i in range(warmup + runs):
            progress("Measuring latency", i / (warmup + runs))
            times.append(_timed(network, images))
    low, median, high = np.percentile(times[warmup:], [10, 50, 90])
    return Latency(float(median), float(low), float(high), batch, used, _described(device), runs, warmup)


def _timed(network: nn.Module, images: Tensor) -> float:
    start = time.perf_counter()
    scores(network, images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return 1e3 * (time.perf_counter() - start)


@contextmanager
def _threads(wanted: int | None) -> Iterator[int]:
    before = torch.get_num_threads()
    try:
        if wanted is not None:
            torch.set_num_threads(wanted)
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _described(device: torch.device) -> str:
    """Such as "cpu x86_64 AVX512": the vector unit decides more about a time than the clock."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"{device.type} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
