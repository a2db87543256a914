"""The headline numbers, and whether each is an estimate, a sample or a measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..core.records import Accuracy, Estimate, Measurement, Run
from ..figures.theme import bytes_text, percent, points
from .state import State

EMPTY, ESTIMATE, SAMPLE, MEASURED = "empty", "estimate", "sample", "measured"


class Tile(NamedTuple):
    """One number. look: one of EMPTY, ESTIMATE, SAMPLE, MEASURED; what: the same in words.

    against: how it differs from the pinned run, or empty.
    """

    title: str
    look: str
    value: str
    what: str
    more: tuple[str, ...] = ()
    against: str = ""


def tiles(state: State) -> list[Tile]:
    """Accuracy, file size, ratio, multiply-adds, time: the best that is known, and how the pinned run differs."""
    return [tile._replace(against=text) for tile, text in zip(_tiles(state), against(state), strict=True)]


def against(state: State) -> tuple[str, ...]:
    """For each tile, the difference to the pinned run where both are known, or ""."""
    reference, run = state.reference, state.run
    if reference is None or (run is not None and run.recipe.key == state.pinned):
        return ("",) * len(TITLES)
    (accuracy, size), then = _known(state), reference.measurement
    mark = "" if run is not None else "~"
    found = [
        _changed(accuracy, then.accuracy.accuracy, points, mark),
        _changed(size, then.file_bytes, _bytes, mark),
        "",
    ]
    if run is None:
        return (*found, "", "")
    now = run.measurement
    times: tuple[float | None, float] = (None, 0.0)
    if now.latency and then.latency:
        times = now.latency.median_ms, then.latency.median_ms
    return (*found, _changed(now.macs, then.macs, _count), _changed(*times, _milliseconds))


def _known(state: State) -> tuple[float | None, float | None]:
    """Accuracy and bytes, as well as they are known."""
    if state.run is not None:
        return state.run.measurement.accuracy.accuracy, state.run.measurement.file_bytes
    if state.sample is not None:
        return state.sample[0].accuracy, state.sample[1]
    return (state.estimate.accuracy, state.estimate.file_bytes) if state.estimate is not None else (None, None)


def _changed(now: float | None, then: float, text: Callable[[float], str], mark: str = "") -> str:
    if now is None:
        return ""
    return "as the pinned run" if now == then else f"{mark}{text(now - then)} against the pinned run"


def _bytes(n: float) -> str:
    return ("−" if n < 0 else "+") + bytes_text(abs(n))


def _count(n: float) -> str:
    return ("−" if n < 0 else "+") + count(abs(n))


def _milliseconds(n: float) -> str:
    return f"{n:+.2f} ms".replace("-", "−")


def _tiles(state: State) -> list[Tile]:
    dense = state.dense.measurement if state.dense else None
    if state.run is not None:
        return _measured(state.run.measurement, dense)
    known = state.sample or state.estimate
    if known is None:
        return [Tile(title, EMPTY, "–", "not known yet") for title in TITLES]
    accuracy, size = _guess(state.estimate) if state.sample is None else _sample(*state.sample)
    rest = (dense.dense_bytes / _size(state), "estimate") if dense else (None, "")
    ratio = Tile(TITLES[2], ESTIMATE, f"~{rest[0]:.1f}×", rest[1]) if dense else _unknown(2)
    return [accuracy, size, ratio, _unknown(3), _unknown(4)]


def report(run: Run | None) -> str:
    """One sentence on the test data, or ""."""
    if run is None:
        return ""
    accuracy = run.measurement.accuracy
    return f"On the held-out test data: {percent(accuracy.accuracy)} right ({', '.join(_interval(accuracy))})."


TITLES = ("Accuracy", "File size", "Smaller by", "Multiply-adds", "Time")


def _measured(found: Measurement, dense: Measurement | None) -> list[Tile]:
    accuracy, time = found.accuracy, found.latency
    before = dense.accuracy if dense else None
    done = [
        (percent(accuracy.accuracy), *_interval(accuracy), f"dense: {percent(before.accuracy)}" if before else ""),
        (
            bytes_text(found.file_bytes),
            f"{found.file_bytes:,} bytes",
            f"dense weights: {bytes_text(found.dense_bytes)}",
        ),
        (f"{found.compression_ratio:.1f}×", "than the dense weights", f"{found.nonzeros:,} non-zero weights"),
        (count(found.macs), "for one image", f"dense: {count(found.dense_macs)}"),
    ]
    made = [Tile(t, MEASURED, v, "measured", tuple(more)) for t, (v, *more) in zip(TITLES, done, strict=False)]
    if time is None:
        return [*made, Tile(TITLES[4], EMPTY, "–", "not timed yet")]
    spread = f"{time.low_ms:.2f} to {time.high_ms:.2f} ms"
    how = f"{_images(time.batch)}, {_threads(time.threads)}, {found.arithmetic}"
    return [*made, Tile(TITLES[4], MEASURED, f"{time.median_ms:.2f} ms", "measured", (spread, how))]


def _guess(estimate: Estimate) -> tuple[Tile, Tile]:
    more = (estimate.source,)
    return (
        Tile(TITLES[0], ESTIMATE, f"~{percent(estimate.accuracy)}", "estimate", more),
        Tile(TITLES[1], ESTIMATE, f"~{bytes_text(estimate.file_bytes)}", "estimate", more),
    )


def _sample(accuracy: Accuracy, estimated_bytes: float) -> tuple[Tile, Tile]:
    what = f"sample of {accuracy.n}"
    return (
        Tile(TITLES[0], SAMPLE, percent(accuracy.accuracy), what, _interval(accuracy)),
        Tile(TITLES[1], ESTIMATE, f"~{bytes_text(estimated_bytes)}", "estimate"),
    )


def _size(state: State) -> float:
    return max(1.0, float(state.estimate.file_bytes if state.sample is None else state.sample[1]))


def _unknown(i: int) -> Tile:
    return Tile(TITLES[i], EMPTY, "–", "when measured")


def _interval(accuracy: Accuracy) -> tuple[str, str]:
    low, high = accuracy.interval
    return f"95 % interval {percent(low)} to {percent(high)}", f"n = {accuracy.n:,} {accuracy.split} images"


def _images(batch: int) -> str:
    return "one image" if batch == 1 else f"{batch} images at once"


def _threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"


def count(n: float) -> str:
    """`812`, `12.3 k`, `1.70 M`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f}"
