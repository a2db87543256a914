"""What the commands do: each prints a table or one JSON document."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from .asking import made_of, open_recipe_of, recipe_of, step_of, swept_of
from .core.errors import WorkbenchError
from .core.knob import knobs_of
from .core.progress import Progress
from .core.recipe import Recipe, from_json
from .core.records import measurement_json
from .core.sweep import sweep_json
from .data import datasets, info_of, load_dataset
from .experiment.allocate import allocate_within
from .experiment.anatomy import anatomy_named
from .experiment.compare import Entry, Measured, compare
from .experiment.file import measure_file
from .experiment.named import asked_recipe, network_from
from .experiment.opened import opened, opened_bytes
from .experiment.pipeline import canonical
from .experiment.questions import last
from .experiment.questions.costs import CostsQuestion
from .experiment.run import run
from .experiment.search import search
from .experiment.sensitivity import scan
from .experiment.store import Store
from .experiment.subject import subject_named
from .experiment.sweep import Processes, Scheduler, recipes, sweep
from .export import WRITABLE
from .methods import methods
from .networks import WeightsInfo, network_named, networks, weights_info
from .networks.artifact import load
from .storage.artifact import read
from .storage.itemised import stream_rows
from .texts import (
    allocation_text,
    anatomy_text,
    coders_text,
    columns,
    comparison_text,
    dataset_text,
    datasets_text,
    measurement_text,
    method_text,
    run_text,
    searched_json,
    searched_text,
    sensitivity_text,
    streams_text,
    sweep_text,
)
from .train.home import KeptTraining, Plan
from .train.settings import TrainSettings, recommended
from .train.weights import train_to_file


def progress(*, lines: bool = False) -> Progress:
    """On stderr: rewritten in place on a terminal; otherwise silent, or a line every few seconds."""
    if not sys.stderr.isatty():
        return Progress(_lines()) if lines else Progress()

    def report(doing: str, share: float | None) -> None:
        percent = "" if share is None else f"{100 * share:3.0f} %  "
        print(f"\r\x1b[K{percent}{doing[:70]}", end="", file=sys.stderr, flush=True)

    return Progress(report)


def _lines(every_s: float = 5.0) -> Callable[[str, float | None], None]:
    """For a log: news every so often, and whatever is done."""
    last, said = time.monotonic(), ""

    def report(doing: str, share: float | None) -> None:
        nonlocal last, said
        if doing != said and (share == 1.0 or time.monotonic() - last > every_s):
            last, said = time.monotonic(), doing
            print(doing, file=sys.stderr, flush=True)

    return report


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
        classroom=options.classroom,
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
    recipe = recipe_of(options, progress(), options.step)
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


def run_explain(options: argparse.Namespace) -> None:
    """What a file's compression cost and whom, in words; with an output the whole report as one page."""
    from .report.explained import explained  # loads the charts, which no other command needs
    from .report.words import costs_json, explained_text

    store = Store()
    data = made_of(options, progress(), store)
    if data is None:
        made = opened(options.file, code=options.network or "", store=store, progress=progress())
    else:
        made = opened_bytes(data, store=store, progress=progress())
    found = made.answer(CostsQuestion(), progress())
    document: dict[str, Any] = {
        "file": str(options.file or options.recipe),
        "costs": costs_json(found),
        "report": None,
        "report_bytes": None,
    }
    if options.output is not None:
        page = explained(made, image=options.image, progress=progress()).encode()
        save_bytes(options.output, page)
        document |= {"report": str(options.output), "report_bytes": len(page)}
    names = made.asked.subject.dataset.classes
    emit(options, document, lambda: explained_text(found, names, options.output))


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
    recipe, place = step_of(options, progress())
    subject = subject_named(recipe.network, recipe.dataset, progress())
    step = recipe.steps[place]
    found = list(scan(step, subject, seed=recipe.seed, levels=options.levels, progress=progress()))[-1]
    if options.lose is None:
        emit(options, found, lambda: sensitivity_text(found))
        return
    made = allocate_within(recipe, place, found, options.lose, subject, progress())
    document = {"sensitivity": found, "allocation": made, "step": str(made.step)}
    emit(options, document, lambda: "\n\n".join([sensitivity_text(found), allocation_text(made, found)]))


def run_search(options: argparse.Namespace) -> None:
    """Settings within a budget: an estimate, then trials on validation images; the best one's file."""
    recipe, store = open_recipe_of(options, progress()), Store()
    made = last(search(recipe, options.budget, trials=options.trials, store=store, progress=progress()))
    if options.output is not None and made.best is not None:
        save_bytes(options.output, run(made.best.recipe, split="validation", progress=progress()).data)
    document = {**searched_json(made), "file": None if options.output is None else str(options.output)}
    emit(options, document, lambda: searched_text(made))


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


def run_sweep(options: argparse.Namespace) -> int:
    """Many recipes, each measured once; the exit status is 1 when some of them failed."""
    crew = Scheduler(options.scheduler) if options.scheduler else Processes(options.workers, options.threads)
    recipe, asked = swept_of(options, progress())
    wanted = recipes(recipe.network, recipe.dataset, asked)
    growing = sweep(wanted, on=crew, split=options.split, weights=options.weights, progress=progress(lines=True))
    with closing(growing):
        *_, found = growing
    emit(options, sweep_json(found), lambda: sweep_text(found))
    return 1 if found.failed else 0


def run_compare(options: argparse.Namespace) -> None:
    """Frontier, equal bytes, equal accuracy, rate difference, area: each with its interval."""
    store = Store()
    runs = [entry for item in options.items for entry in _measured_items(item, options.split, store)]
    if options.network and options.dataset:
        subject = subject_named(options.network, options.dataset, progress())
        runs += store.runs(options.network, options.dataset, options.split, subject.fingerprint)
    elif not options.items:
        raise WorkbenchError("compare: name files, runs, or a network and a dataset.")
    dense = None
    if runs and not any(not run.recipe.steps for run in runs):
        recipe = runs[0].recipe
        dense = subject_named(recipe.network, recipe.dataset, progress()).dense_accuracy(options.split)
    found = compare(runs, baseline=options.baseline, dense=dense)
    emit(options, found, lambda: comparison_text(found))


def _measured_items(item: str, split: str, store: Store) -> list[Measured]:
    """What a word of the command line names: a file, which is measured now, a recipe, or runs in the store."""
    path = Path(item)
    if path.suffix in WRITABLE:
        recipe = canonical(asked_recipe(path))
        known = store.found(recipe.key, split)
        return [known[0] if known else run(recipe, split=split, store=store, progress=progress()).run]
    if path.suffix == ".wbz" or path.exists():
        loaded = load(path)
        recipe = from_json(msgspec.json.encode(loaded.header["recipe"]), Recipe)
        data = load_dataset(recipe.dataset, progress())
        return [Entry(recipe, measure_file(loaded, data, split=split, progress=progress()))]
    found: list[Measured] = list(store.found(item, split)) if len(item) >= 6 else []
    if not found:
        raise WorkbenchError(
            f"There is no file and no run {item!r} on the {split} split; a key's first 6 letters are enough."
        )
    return found[:1]


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
        assert kept.info is not None, "it was just written"
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
