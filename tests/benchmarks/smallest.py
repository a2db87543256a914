"""The smallest files: the commands of README's "Smallest files", run again and taken apart.

    python tests/benchmarks/smallest.py [NAME ...] [--keep FOLDER]

NAME: the file a command writes, without `.wbz`; all of them without one. Prints bytes, ratio, test error with its 95 %
interval, whether what is read back decodes to what ran and, with --keep, whether a file that lies there from an earlier
run is the same bit for bit. Needs MNIST; one thread, since another number of them rounds otherwise. Minutes each.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import tempfile
import time
from pathlib import Path

import torch

from workbench.cli import parser as command_line
from workbench.core.recipe import Recipe
from workbench.experiment.run import Result, run
from workbench.methods import parse_step
from workbench.storage import reader
from workbench.storage.artifact import unpack

README = Path(__file__).parent.parent.parent / "README.md"


def records(text: str) -> dict[str, Recipe]:
    """Name of the file -> recipe, for every command of the section that writes one."""
    section = text.split("## Smallest files", 1)[1].split("\n## ", 1)[0].replace("\\\n", " ")
    found = {}
    for line in re.findall(r"^workbench compress .*", section, re.M):
        options = command_line().parse_args(shlex.split(line, comments=True)[1:])
        found[Path(options.output).stem] = Recipe(
            options.network, options.dataset, tuple(map(parse_step, options.step)), options.seed
        )
    return found


def decodes(result: Result) -> bool:
    """Whether a reader without torch finds finite tensors in the file, those that the workbench finds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.wbz"
        path.write_bytes(result.data)
        _, tensors = reader.load(str(path))
    known = unpack(result.data).tensors
    return tensors.keys() == known.keys() and all((tensors[name] == known[name].decode()).all() for name in known)


def show(name: str, result: Result, seconds: float) -> None:
    measured = result.run.measurement
    seen = measured.accuracy
    error, (low, high) = 100 * (1 - seen.accuracy), (100 * (1 - end) for end in reversed(seen.interval))
    size = len(result.data)
    print(f"{name}: {size:,} bytes, {measured.compression_ratio:.1f}x, {seconds:.0f} s")
    print(f"  {seen.split} error {error:.2f} % ({low:.2f} to {high:.2f}) of {seen.n:,}; decodes: {decodes(result)}")
    print("  " + ", ".join(f"{part} {count:,}" for part, count in measured.bytes_by_part.items() if count))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*")
    options.add_argument("--keep", type=Path, help="keep the files here")
    asked, known = options.parse_args(), records(README.read_text(encoding="utf-8"))
    for name in asked.names or known:
        if name not in known:
            sys.exit(f"There is no {name}; README has {', '.join(known)}.")
        began = time.perf_counter()
        result = run(known[name])
        show(name, result, time.perf_counter() - began)
        if asked.keep:
            path = asked.keep / f"{name}.wbz"
            if path.exists():
                print(f"  the same as before: {path.read_bytes() == result.data}")
            asked.keep.mkdir(parents=True, exist_ok=True)
            path.write_bytes(result.data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
