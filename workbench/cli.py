"""The command line: every command enters at a recipe or a file and prints a table or one JSON document."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from . import __version__
from .core.errors import Cancelled, WorkbenchError
from .core.knob import knobs_of
from .core.progress import Progress
from .core.recipe import Recipe
from .core.records import measurement_json
from .data import datasets, info_of, load_dataset, set_root
from .experiment.allocate import allocate_within
from .experiment.anatomy import anatomy_named
from .experiment.file import measure_file
from .experiment.named import network_from
from .experiment.run import run
from .experiment.sensitivity import scan
from .experiment.subject import subject_named
from .methods import methods, parse_step
from .networks import WeightsInfo, network_named, networks, weights_info
from .networks.artifact import load
from .storage.artifact import read
from .storage.itemised import stream_rows
from .texts import (
    allocation_text,
    anatomy_text,
    coders_text,
    columns,
    dataset_text,
    datasets_text,
    measurement_text,
    method_text,
    run_text,
    sensitivity_text,
    streams_text,
)
from .train.device import AUTO
from .train.home import KeptTraining, Plan
from .train.settings import TrainSettings, recommended
from .train.weights import train_to_file

OK, WRONG, STOPPED = 0, 2, 130


class _Parser(argparse.ArgumentParser):
    """Bad input is one sentence and exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise WorkbenchError(f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` says what is allowed.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    try:
        options = parser().parse_args(argv)
        if getattr(options, "data_root", None) is not None:
            set_root(options.data_root)
        options.run(options)
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        return WRONG
    except (KeyboardInterrupt, Cancelled):
        print("workbench: stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = _Parser(prog="workbench", description="See, measure and explain what neural-network compression does.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for add in (_app, _lists, _layers, _compress, _evaluate, _inspect, _sensitivity, _train):
        add(commands)
    return top


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], None], help: str, json: bool = True) -> Any:
    command = commands.add_parser(name, help=help, description=help)
    command.set_defaults(run=run)
    if json:
        command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    return command


def _subject(command: Any) -> None:
    command.add_argument("--network", required=True, metavar="N", help="see `workbench networks`, or FILE.py:FACTORY")
    command.add_argument("--dataset", required=True, metavar="D", help="see `workbench datasets`")
    _data_root(command)


def _data_root(command: Any) -> None:
    command.add_argument("--data-root", type=Path, metavar="DIR", help="look for data in this folder first")


def _weights(command: Any) -> None:
    command.add_argument("--weights", type=Path, metavar="FILE", help="the network's weights (.safetensors)")


def _app(commands: Any) -> None:
    command = _command(commands, "app", run_app, "open the app in the browser", json=False)
    command.add_argument("--port", type=int, default=8866, help="where to serve (default 8866)")
    command.add_argument("--lab", action="store_true", help="JupyterLab on the notebooks instead of the app")
    command.add_argument("--ip", default="127.0.0.1", help="address to listen on (default: this machine only)")
    command.add_argument("--token", default="", help="ask visitors for this token")
    command.add_argument("--preheat", type=int, default=1, metavar="K", help="kernels kept ready (default 1)")
    command.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    _data_root(command)


def _lists(commands: Any) -> None:
    _command(commands, "methods", run_methods, "list the methods with their knobs")
    _command(commands, "networks", run_networks, "list the networks")
    command = _command(commands, "datasets", run_datasets, "list the datasets, or read one and say what was found")
    command.add_argument("name", nargs="?", metavar="D", help="read this one, for instance folder:PATH")
    _data_root(command)


def _layers(commands: Any) -> None:
    _subject(_command(commands, "layers", run_layers, "what can be compressed in a network, what cannot, and why"))


def _compress(commands: Any) -> None:
    command = _command(commands, "compress", run_compress, "compress a network and measure the file on test data")
    _subject(command)
    _weights(command)
    command.add_argument(
        "--step", action="append", required=True, metavar="ID[:knob=value,...][@layer+...]", help="a step; repeatable"
    )
    command.add_argument("--seed", type=int, default=0, help="of every random draw (default 0)")
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the compressed network here (.wbz)")


def _evaluate(commands: Any) -> None:
    command = _command(commands, "evaluate", run_evaluate, "read a compressed network back and measure it on test data")
    command.add_argument("file", type=Path)
    command.add_argument("--dataset", metavar="D", help="the one it was made on by default")
    command.add_argument("--network", metavar="FILE.py:FACTORY", help="the code of a network of your own")
    _data_root(command)


def _inspect(commands: Any) -> None:
    command = _command(commands, "inspect", run_inspect, "itemise the bytes of a compressed network")
    command.add_argument("file", type=Path)


def _sensitivity(commands: Any) -> None:
    command = _command(commands, "sensitivity", run_sensitivity, "compress each layer alone, on validation data")
    _subject(command)
    _weights(command)
    command.add_argument("--method", required=True, metavar="ID[:knob=value,...]", help="see `workbench methods`")
    command.add_argument("--levels", type=int, default=10, help="knob values per layer, 2 to 100 (default 10)")
    command.add_argument(
        "--lose", type=float, metavar="SHARE", help="also choose each layer's value so that all lose at most SHARE"
    )
    command.add_argument("--seed", type=int, default=0, help="of every random draw (default 0)")


def _train(commands: Any) -> None:
    command = _command(commands, "train", run_train, "train a network from scratch and write its weights")
    _subject(command)
    command.add_argument("--teacher", metavar="N", help="a trained network to learn from")
    place = command.add_mutually_exclusive_group()
    place.add_argument("-o", "--output", type=Path, metavar="FILE", help="weights file (.safetensors)")
    place.add_argument("--keep", metavar="LABEL", help="keep the weights at home, for use as NETWORK@LABEL")
    command.add_argument("--device", default=AUTO, help="auto, cpu, cuda or cuda:N (default auto)")
    for name, knob in knobs_of(TrainSettings).items():
        flag = "--" + name.replace("_", "-")
        command.add_argument(
            flag, dest=name, metavar="V", help=f"{knob.help} ({knob}; default: what suits the network)"
        )


def _network(options: argparse.Namespace) -> str:
    return network_from(options.network, options.dataset, weights=options.weights, progress=progress())


def progress() -> Progress:
    """On stderr: rewritten in place on a terminal, otherwise silent."""
    if not sys.stderr.isatty():
        return Progress()

    def report(doing: str, share: float | None) -> None:
        percent = "" if share is None else f"{100 * share:3.0f} %  "
        print(f"\r\x1b[K{percent}{doing[:70]}", end="", file=sys.stderr, flush=True)

    return Progress(report)


def emit(options: argparse.Namespace, document: object, text: Callable[[], str]) -> None:
    """The document as JSON or the text, after wiping the progress line."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() if options.json else text())


def run_app(options: argparse.Namespace) -> None:
    """Serve the app until interrupted."""
    from .ui.serve import serve

    serve(
        port=options.port,
        lab=options.lab,
        ip=options.ip,
        token=options.token,
        preheat=options.preheat,
        browser=not options.no_browser,
    )


def run_methods(options: argparse.Namespace) -> None:
    """Every method with its knobs."""
    document = [
        {
            "id": name,
            "family": cls.family(),
            "title": cls.title,
            "citation": cls.citation,
            "needs": cls.needs,
            "start": cls.start,
            "axis": cls.axis,
            "acts_on": cls.acts_on,
            "knobs": {key: {**msgspec.to_builtins(knob), "range": str(knob)} for key, knob in knobs_of(cls).items()},
            "excused": cls.excused,
        }
        for name, cls in methods().items()
    ]
    emit(options, document, lambda: "\n\n".join(map(method_text, methods())))


def run_networks(options: argparse.Namespace) -> None:
    """Every network, its costs, and the accuracy of its bundled weights."""
    document = []
    for name, spec in networks().items():
        weights = [info for data in datasets() if (info := weights_info(name, data)) is not None]
        about = {
            key: getattr(spec, key) for key in ("title", "citation", "input_shape", "classes", "parameters", "macs")
        }
        document.append({"name": name, **about, "weights": weights})
    head = ("network", "parameters", "MACs", "trained on", "test accuracy", "title")
    rows = [
        (d["name"], f"{d['parameters']:,}", f"{d['macs']:,}", *trained, d["title"])
        for d in document
        for trained in [(w.dataset, f"{100 * w.test.accuracy:.2f} %") for w in d["weights"]] or [("-", "-")]
    ]
    emit(options, document, lambda: columns([head, *rows]))


def run_datasets(options: argparse.Namespace) -> None:
    """Every dataset with the sizes of its splits, and whether the data are here; or one of them, read."""
    if options.name is not None:
        data = load_dataset(options.name, progress())
        document = {**msgspec.to_builtins(info_of(data)), "digest": data.digest}
        document |= {"notes": data.notes, "left_out": data.left_out}
        return emit(options, document, lambda: dataset_text(document))
    rows = [
        {**msgspec.to_builtins(info), "missing": info.available(), "found": info.found()}
        for info in datasets().values()
    ]
    return emit(options, rows, lambda: datasets_text(rows))


def run_layers(options: argparse.Namespace) -> None:
    """Every layer, every part that is left alone, and which channels belong together."""
    made = anatomy_named(options.network, options.dataset, progress=progress())
    emit(options, made, lambda: anatomy_text(made))


def run_compress(options: argparse.Namespace) -> None:
    """Run a recipe and measure the file on the test split."""
    steps = tuple(map(parse_step, options.step))
    recipe = Recipe(_network(options), options.dataset, steps, options.seed)
    result = run(recipe, split="test", progress=progress())
    if options.output is not None:
        save_bytes(options.output, result.data)
    document = {
        **measurement_json(result.run.measurement),
        "file": None if options.output is None else str(options.output),
        **{key: getattr(result.run, key) for key in ("recipe", "layers", "stages", "notes", "provenance")},
    }
    emit(options, document, lambda: run_text(result.run))


def save_bytes(path: Path, data: bytes) -> None:
    """Write the whole file or nothing."""
    try:
        partial = path.with_name(path.name + ".part")
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise WorkbenchError(f"{path} cannot be written: {error.strerror or error}.") from None


def run_evaluate(options: argparse.Namespace) -> None:
    """Read a file back and measure it on the test split."""
    loaded = load(options.file, code=options.network or "")
    dataset = load_dataset(options.dataset or str(loaded.header["dataset"]), progress())
    measured = measure_file(loaded, dataset, split="test", progress=progress())
    document = {**measurement_json(measured), "network": loaded.header["network"], "dataset": dataset.name}
    document |= {"data": dataset.title, "remarks": dataset.remarks}
    emit(options, document, lambda: "\n".join([measurement_text(measured), *dataset.remarks]))


def run_inspect(options: argparse.Namespace) -> None:
    """Where the bytes of a file go, and from which recipe it came."""
    artifact = read(options.file)
    tensors = [
        {
            "name": name,
            "shape": encoded.shape,
            "stored": encoded.values.n,
            "values": encoded.values.kind,
            "support": "dense" if encoded.keep is None else encoded.support,
            "coders": artifact.coders[name],
            "bytes": artifact.tensor_bytes[name],
        }
        for name, encoded in artifact.tensors.items()
    ]
    streams = stream_rows(artifact)
    document = {
        "file_bytes": artifact.file_bytes,
        "bytes_by_part": artifact.parts,
        "header": artifact.header,
        "tensors": tensors,
        "streams": [{**asdict(row), "ratio": row.ratio} for row in streams],
    }
    head = ("tensor", "shape", "stored", "values", "support", "coders", "bytes")
    shown = {"shape": lambda shape: "x".join(map(str, shape)), "coders": coders_text}
    rows = [(shown.get(key, str)(value) for key, value in tensor.items()) for tensor in tensors]
    parts = columns([("part", "bytes"), *artifact.parts.items(), ("file", artifact.file_bytes)])
    recipe = msgspec.json.encode(artifact.header.get("recipe")).decode()
    tables = [parts, columns([head, *map(tuple, rows)]), streams_text(streams), f"recipe {recipe}"]
    emit(options, document, lambda: "\n\n".join(tables))


def run_sensitivity(options: argparse.Namespace) -> None:
    """Accuracy with each layer alone compressed."""
    if not 2 <= options.levels <= 100:
        raise WorkbenchError(f"sensitivity: levels must be an integer in [2, 100]; got {options.levels}.")
    step = parse_step(options.method)
    subject = subject_named(_network(options), options.dataset, progress())
    found = list(scan(step, subject, seed=options.seed, levels=options.levels, progress=progress()))[-1]
    if options.lose is None:
        emit(options, found, lambda: sensitivity_text(found))
        return
    recipe = Recipe(subject.name, options.dataset, (step,), options.seed)
    made = allocate_within(recipe, 0, found, options.lose, subject, progress())
    document = {"sensitivity": found, "allocation": made, "step": str(made.step)}
    emit(options, document, lambda: "\n\n".join([sensitivity_text(found), allocation_text(made, found)]))


def _train_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, checked."""
    knobs = knobs_of(TrainSettings)
    given = {name: getattr(options, name) for name in knobs}
    return {name: knobs[name].parse(f"train: {name}", text) for name, text in given.items() if text is not None}


def _trained(options: argparse.Namespace, network: str, settings: TrainSettings, out: Path) -> WeightsInfo:
    return train_to_file(
        network,
        options.dataset,
        settings=settings,
        teacher=options.teacher or "",
        out=out,
        progress=progress(),
        device=options.device,
    )


def run_train(options: argparse.Namespace) -> None:
    """Train from scratch, choosing on validation, and write the weights with how they came about."""
    parsed = _train_settings(options)
    network = network_from(options.network, options.dataset, seed=parsed.get("seed", 0), progress=progress())
    network_named(network)
    load_dataset(options.dataset, progress())
    settings = replace(recommended(network, options.dataset), **parsed)
    if options.keep is not None:
        plan = Plan(network, options.dataset, settings, options.teacher or "", options.keep)
        kept = KeptTraining(plan, device=options.device).run(progress())
        name, out, info = kept.name, kept.path, kept.info
    else:
        plain = re.sub(r"[^\w.-]+", "_", f"{network}-{options.dataset}")  # names may hold paths
        out = options.output or Path(f"{plain}.safetensors")
        name, info = str(out), _trained(options, network, settings, out)
    emit(
        options,
        {"file": str(out), "weights": info},
        lambda: f"{name}: {100 * info.test.accuracy:.2f} % of {info.test.n} test images",
    )
