"""Sixty points on 1, 2 and 4 worker processes; then a sweep that is killed in its middle, and what is done twice.

    python tests/benchmarks/sweep.py [--network lenet5_1998] [--points 60] [--workers 1 2 4] [--only speed|killed]

Every worker has one torch thread. Processor seconds are those of the whole sweep, loading included: on a machine with
other work they say more than the clock. The killed sweep is a process group of its own that gets SIGKILL as a whole
once half of its points are stored; a point was computed twice when its row in the store is written anew, and half a
point is lost with every worker that was at one as the signal came, as the sweep's own record says.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workbench.core.recipe import Recipe
from workbench.experiment.store import Store
from workbench.experiment.sweep import Axis, Processes, grid, sweep
from workbench.methods import parse_step

METHOD = "prune.magnitude_iter:epochs=0"


def asked(network: str, dataset: str, points: int) -> list[Recipe]:
    """Three axes, the last one the seed."""
    ratios = tuple(round(0.3 + 0.6 * i / (points // 6), 4) for i in range(points // 6))
    base = Recipe(network, dataset, (parse_step(METHOD), parse_step("quant.kmeans_share")))
    return grid(base, [Axis(0, "pruning_ratio", ratios), Axis(1, "bits", (3, 4, 5))], (0, 1))


def rows(path: Path) -> dict[str, float]:
    """Key to when it was stored."""
    with sqlite3.connect(Store(path).path) as connection:
        return dict(connection.execute("select key, made from record where kind='run/test'").fetchall())


def measured(recipes: list[Recipe], workers: int, path: Path) -> tuple[float, float]:
    """(seconds by the clock, processor seconds) of the whole sweep."""
    began, before = time.perf_counter(), _processor()
    *_, found = sweep(recipes, on=Processes(workers, threads=1), store=Store(path))
    assert found.complete and not found.failed
    return time.perf_counter() - began, _processor() - before


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def speed(recipes: list[Recipe], workers: list[int], folder: Path) -> None:
    first = 0.0
    for count in workers:
        before = os.getloadavg()[0]
        clock, processor = measured(recipes, count, folder / f"{count}.sqlite")
        first = first or clock
        print(
            f"{count} workers: {clock:6.1f} s, {first / clock:.2f} times as fast as {workers[0]}; "
            f"{processor:.1f} processor seconds, so {processor / clock:.1f} cores; load before {before:.1f}",
            flush=True,
        )


CHILD = """
import sys
sys.path.insert(0, {here!r})
import sweep as benchmark
from pathlib import Path
benchmark.noted(benchmark.asked({network!r}, {dataset!r}, {points}), Path({store!r}), Path({log!r}))
"""


def noted(recipes: list[Recipe], path: Path, log: Path) -> None:
    """The sweep that will be killed; every record's running keys go into a log before anything else happens."""
    with log.open("w") as lines:
        for found in sweep(recipes, on=Processes(2, threads=1), store=Store(path)):
            print(" ".join(found.running), file=lines, flush=True)


def killed(options: argparse.Namespace, recipes: list[Recipe], folder: Path) -> None:
    """Kill the whole process group in the middle, resume, compare the rows."""
    store, log = folder / "killed.sqlite", folder / "running.txt"
    code = CHILD.format(here=str(Path(__file__).parent), store=str(store), log=str(log), **vars(options))
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while len(rows(store)) < len(recipes) // 2:
        assert child.poll() is None, "the sweep ended before it could be killed"
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    kept, running = rows(store), set(log.read_text().splitlines()[-1].split())
    began = time.perf_counter()
    *_, found = sweep(recipes, on=Processes(2, threads=1), store=Store(store))
    after = rows(store)
    again = [key for key in kept if after[key] != kept[key]]
    print(
        f"killed with {len(kept)} of {len(recipes)} points stored, {len(running - kept.keys())} being computed; "
        f"resumed: {found.known} known, {found.computed} computed in {time.perf_counter() - began:.1f} s, "
        f"{len(after)} rows; finished points computed twice: {len(again)}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--network", default="lenet5_1998")
    arguments.add_argument("--dataset", default="digits")
    arguments.add_argument("--points", type=int, default=60, help="a multiple of 6")
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    arguments.add_argument("--only", choices=("speed", "killed"))
    options = arguments.parse_args()
    recipes = asked(options.network, options.dataset, options.points)
    print(
        f"{len(recipes)} points of {options.network} on {options.dataset}, {os.cpu_count()} cores, one thread a worker"
    )
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        if options.only != "killed":
            speed(recipes, options.workers, Path(folder))
        if options.only != "speed":
            killed(options, recipes, Path(folder))


if __name__ == "__main__":
    main()
