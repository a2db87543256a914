"""What a command prints for people: records as aligned text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .core.comparison import Bound, Comparison
from .core.contest import Entry, Rule
from .core.exported import Exported
from .core.knob import knobs_of, spelled
from .core.records import Allocation, Measurement, Run, Sensitivity
from .core.searched import Search, Trial
from .core.survey import Uncompressed
from .core.sweep import Sweep
from .data import SPLITS
from .measure.anatomy import Anatomy
from .methods import methods
from .storage.itemised import StreamRow


def columns(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells as aligned text, the first row being the head."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def method_text(name: str) -> str:
    """A method with its knobs."""
    cls = methods()[name]
    rows = [
        (f"  {key}={spelled(knob.default)}", f"{knob.help} ({knob})", "<- axis" if key == cls.axis else "")
        for key, knob in knobs_of(cls).items()
    ]
    return f"{name}  {cls.title}. {cls.citation}\n{columns(rows)}"


def datasets_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Every dataset, and whether it is here."""
    cells = [("dataset", "images", "classes", *SPLITS, "here", "title")]
    cells += [
        (
            d["name"] + (f":{d['argument']}" if d["argument"] else ""),
            "x".join(map(str, d["input_shape"])),
            str(len(d["classes"]) or ""),
            *(str(d["sizes"].get(split, "")) for split in SPLITS),
            "no" if d["missing"] else "yes",
            d["found"] or d["title"],
        )
        for d in rows
    ]
    return columns(cells)


def dataset_text(d: Mapping[str, Any]) -> str:
    """One dataset that was read, and what there is to say about it."""
    sizes = ", ".join(f"{split} {n:,}" for split, n in d["sizes"].items())
    lines = [
        f"{d['name']}  {d['title']}",
        f"images   {'x'.join(map(str, d['input_shape']))}; {sizes}",
        f"classes  {len(d['classes'])}: {', '.join(d['classes'])}",
        f"digest   {d['digest']}",
    ]
    return "\n".join([*lines, *([f"source   {d['source']}"] if d["source"] else []), *d["notes"]])


def run_text(made: Run) -> str:
    """The measurement, every layer, what did not happen as asked, and what is to be said about the data."""
    rows = [("layer", "shape", "non-zero", "bytes", "bits/weight", "MACs", "stored as")]
    rows += [
        (
            r.layer,
            "x".join(map(str, r.shape)),
            f"{r.nonzeros:,}",
            f"{r.file_bytes:,}",
            f"{r.bits_per_weight:.2f}",
            f"{r.macs:,}",
            r.stored_as,
        )
        for r in made.layers
    ]
    said = [*made.notes, *made.provenance.remarks]
    return "\n".join([measurement_text(made.measurement), "", columns(rows), *(["", *said] if said else [])])


def measurement_text(m: Measurement) -> str:
    """What a file holds and costs."""
    low, high = m.accuracy.interval
    lines = [
        f"accuracy  {100 * m.accuracy.accuracy:.2f} % ({100 * low:.2f} to {100 * high:.2f}) on "
        f"{m.accuracy.n} {m.accuracy.split} images",
        f"file      {m.file_bytes:,} bytes, {m.compression_ratio:.1f} times smaller than {m.dense_bytes:,} dense bytes",
        f"          {', '.join(f'{part} {size:,}' for part, size in m.bytes_by_part.items())}",
        f"weights   {m.nonzeros:,} of {m.parameters:,} are not zero",
        f"MACs      {m.macs:,} of {m.dense_macs:,}",
    ]
    if m.latency is not None:
        t = m.latency
        lines.append(
            f"time      {t.median_ms:.2f} ms ({t.low_ms:.2f} to {t.high_ms:.2f}) for a batch of {t.batch}, "
            f"{t.threads} threads, {t.device}; {m.arithmetic}"
        )
    return "\n".join(lines)


def anatomy_text(made: Anatomy) -> str:
    """Layers, what is left alone, groups of channels, and what holds for the whole network."""
    layers = [("layer", "kind", "shape", "parameters", "MACs", "calls")]
    layers += [
        (f.name, f.kind, "x".join(map(str, f.shape)), f"{f.parameters:,}", f"{f.macs:,}", str(f.calls))
        for f in made.layers
    ]
    total = f"{made.parameters:,} parameters, {made.macs:,} multiply-accumulates for one image"
    alike: dict[tuple[str, str], list[Uncompressed]] = {}
    for part in made.left:
        alike.setdefault((part.kind, part.reason), []).append(part)
    left = [("left alone", "kind", "parameters", "why")]
    left += [
        (", ".join(p.name for p in parts), kind, f"{sum(p.parameters for p in parts):,}", why)
        for (kind, why), parts in alike.items()
    ]
    groups = [("units that go together", "units", "read by", "why they stay")]
    groups += [(", ".join(g.layers), str(g.units), ", ".join(g.readers), g.refusal) for g in made.groups]
    forms = [("keeps its form", "why no factors can take its place")]
    forms += [(f.name, f.keeps_form) for f in made.layers if f.keeps_form]
    tables = [columns(rows) for rows in (layers, left, groups, forms) if len(rows) > 1]
    return "\n\n".join(
        [
            tables[0] if made.layers else "no layer that methods act on",
            total,
            *tables[bool(made.layers) :],
            *(["\n".join(made.remarks)] if made.remarks else []),
        ]
    )


def exported_text(made: Exported, file: str) -> str:
    """Where it is, and what is to be said about it."""
    return "\n".join([f"{file}  {made.format} of {made.network} on {made.dataset}", *made.notes])


def coders_text(coders: dict[str, str]) -> str:
    """Which part of a tensor is written by which coder."""
    return ", ".join(f"{part} {coder}" for part, coder in coders.items()) or "-"


def allocation_text(made: Allocation, found: Sensitivity) -> str:
    """Each layer's value and why."""
    rows = [("layer", made.knob, "why")]
    rows += [(c.layer, "-" if c.value is None else f"{c.value:g}", c.reason) for c in made.choices]
    assert made.lost is not None
    said = f"together it loses {100 * made.lost:.2f} points on the {found.dense.n} {found.dense.split} images"
    return f"{columns(rows)}\n\n{said}\n--step {made.step}"


def searched_json(made: Search) -> dict[str, object]:
    """A search as the command line promises it: what is open to whom reads it is plain numbers."""
    proposal = made.proposal
    estimate = None if proposal is None else {**asdict(proposal), "steps": list(map(str, proposal.recipe.steps))}
    return {
        **{key: getattr(made, key) for key in ("network", "dataset", "seed", "planned", "complete", "said")},
        "budget": str(made.budget),
        "dense_accuracy": made.dense,
        "split": "validation",
        "estimate": estimate,
        "best": made.best and _trial_json(made.best),
        "met": made.best is not None and made.best.met,
        "frontier": [trial.number for trial in made.frontier],
        "earlier": list(map(_trial_json, made.earlier)),
        "trials": list(map(_trial_json, made.trials)),
    }


def _trial_json(trial: Trial) -> dict[str, object]:
    kept = {key: getattr(trial, key) for key in ("number", "figures", "met", "known", "why")}
    return {**kept, "key": trial.recipe.key, "steps": list(map(str, trial.recipe.steps))}


def searched_text(made: Search) -> str:
    """The estimate, every trial, and how to make the best one and measure it on test images."""
    names = list(dict.fromkeys((*(limit.measure for limit in made.budget.limits), "bytes", "accuracy")))
    front = {trial.number for trial in made.frontier}
    rows: list[tuple[str, ...]] = [("trial", *names, "")]
    if made.proposal is not None:
        guess = made.proposal.figures
        cells = [f"~{_figure(n, guess[n])}" if n in guess else "-" for n in names]
        rows.append(("estimate", *cells, made.proposal.source))
    for trial in (*made.earlier, *made.trials):
        said = [("within" if trial.met else ""), ("frontier" if trial.number in front else "")]
        said += ["known" if trial.known else "", trial.why]
        cells = [_figure(n, trial.figures[n]) if trial.figures else "-" for n in names]
        rows.append((str(trial.number + 1) if trial.number >= 0 else "earlier", *cells, ", ".join(filter(None, said))))
    lines = [columns(rows), made.said]
    if (best := made.best) is not None:
        steps = " ".join(f"--step {step}" for step in best.recipe.steps)
        command = f"workbench compress --network {made.network} --dataset {made.dataset} --seed {made.seed} {steps}"
        lines.append(f"On test images:\n{command}")
    return "\n\n".join(lines)


def _figure(name: str, value: float) -> str:
    if name.startswith("accuracy"):
        return _percent(value)
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def sensitivity_text(found: Sensitivity) -> str:
    """Accuracy by layer and knob value."""
    values = sorted({p.value for p in found.points})
    cells = {(p.layer, p.value): f"{100 * p.accuracy.accuracy:.1f}" for p in found.points}
    rows = [("layer", *(f"{v:g}" for v in values))]
    rows += [(name, *(cells.get((name, v), "-") for v in values)) for name in found.layers]
    refused = [f"{layer}: {why}" for layer, why in found.refused.items()]
    dense = (
        f"dense {100 * found.dense.accuracy:.1f} % on {found.dense.n} {found.dense.split} images; columns: {found.knob}"
    )
    return "\n".join([dense, columns(rows), *refused])


def streams_text(streams: list[StreamRow]) -> str:
    """Coded size beside the empirical entropy of what is coded."""
    head = ("tensor", "stream", "coder", "symbols", "bytes", "entropy", "bytes/entropy")
    rows = [
        (row.tensor, row.part, row.coder, row.symbols, row.size, f"{row.entropy_bytes:.0f}", f"{row.ratio or 0:.3f}")
        for row in streams
        if row.entropy_bytes is not None
    ]
    return columns([head, *rows])


def comparison_text(found: Comparison) -> str:
    """The frontier, then every question with an answer for each curve."""
    names = [curve.name for curve in found.curves]
    dense = "" if found.dense_accuracy is None else f"; dense {100 * found.dense_accuracy:.2f} %"
    head = f"{found.dataset}, {found.images} {found.split} images{dense}, {found.dense_bytes:,} bytes"
    best = [("bytes", "accuracy", "frontier: nothing is smaller and better")]
    best += [(f"{size:,.0f}", f"{100 * accuracy:.2f} %", name) for name, size, accuracy in found.frontier]
    rows: list[tuple[str, ...]] = [("question", *names)]
    rows += [(row.question, *(_bound_text(row.answers[n], _percent) for n in names)) for row in found.at_bytes]
    rows += [(row.question, *(_bound_text(row.answers[n], _bytes) for n in names)) for row in found.at_accuracy]
    against = f"against {found.baseline}: bytes at equal accuracy", f"against {found.baseline}: accuracy at equal bytes"
    for question, bounds in zip(against, (found.rate, found.gain), strict=True):
        rows.append((question, *(_bound_text(bounds[n], _signed) if n in bounds else "-" for n in names)))
    rows.append(("mean accuracy over common sizes", *(_bound_text(found.area[n], _percent) for n in names)))
    return "\n\n".join([head, columns(best), columns(rows)])


def _bound_text(bound: Bound, spelled_as: Callable[[float], str]) -> str:
    if bound.value is None or bound.low is None or bound.high is None:
        return f"- ({bound.why})"
    return f"{spelled_as(bound.value)} ({spelled_as(bound.low)} to {spelled_as(bound.high)})"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _signed(share: float) -> str:
    return f"{100 * share:+.2f} %"


def _bytes(size: float) -> str:
    return f"{size:,.0f}"


def sweep_text(found: Sweep) -> str:
    """A row for every point that was measured, in the order asked, and every reason why others were not."""
    axes = found.axes
    rows = [(*axes, "accuracy", "interval", "bytes", "ratio", "run")]
    for i, point in enumerate(found.points):
        if point.run is None:
            continue
        m, (low, high) = point.run.measurement, point.run.measurement.accuracy.interval
        rows.append(
            (
                *(spelled(values[i]) for values in axes.values()),
                f"{100 * m.accuracy.accuracy:.2f} %",
                f"{100 * low:.2f} to {100 * high:.2f}",
                f"{m.file_bytes:,}",
                f"{m.compression_ratio:.1f}",
                point.recipe.key[:8] + (" (known)" if point.known else ""),
            )
        )
    reasons = Counter(point.failure for point in found.failed)
    failures = [f"{n} of {len(found.points)} points failed: {why}" for why, n in reasons.items()]
    return "\n".join([columns(rows), *failures])


def contest_text(rule: Rule, leaders: Sequence[Entry], entries: Sequence[Entry]) -> str:
    """The rule and who leads."""
    if not leaders:
        found = (
            f"{len(entries)} files were handed in, and none of them meets it" if entries else "nothing handed in yet"
        )
        return f"Rule: {rule}. So far {found}."
    head = ("place", "name", "bytes", "right", "network", "handed in")
    rows = [(i, e.name, f"{e.file_bytes:,}", _right(e), e.network, e.handed_in) for i, e in enumerate(leaders, 1)]
    return f"Rule: {rule}; {len(entries)} files handed in.\n{columns([head, *rows])}"


def entry_text(entry: Entry, rule: Rule, leaders: Sequence[Entry]) -> str:
    """What became of a file that was handed in."""
    said = f"{entry.name}: {entry.file_bytes:,} bytes, {_right(entry)}"
    if not entry.meets(rule):
        return f"{said}. That is less than the {100 * rule.least:g} % that the rule asks for; it stands nowhere yet."
    place = next((i for i, leader in enumerate(leaders, 1) if leader.number == entry.number), None)
    return f"{said}. Place {place} of {len(leaders)}." if place else f"{said}. An earlier file of that name is smaller."


def _right(entry: Entry) -> str:
    return f"{entry.correct} of {entry.n} ({_percent(entry.accuracy)})"
