"""What was pruned, why it could go, what it cost and whom: a compressed network's file explained on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from ..core.errors import WorkbenchError
from ..core.progress import Progress
from ..core.records import Accuracy
from ..experiment.file import measure_file
from ..experiment.opened import Opened
from ..experiment.questions import SPLIT
from ..experiment.questions.attribution import AttributionQuestion, image_of
from ..experiment.questions.costs import CostsQuestion
from ..explain.attribution import attributions
from ..figures import attribution, classes, confusion, filter_norms, flips, tiles
from ..methods import method_named
from . import page as html
from .page import Section
from .teller import Teller, drawn
from .units import units
from .within import within

_SHOWN = 8
_IMAGES = 24


def explained(opened: Opened, *, image: int | None = None, progress: Progress | None = None) -> str:
    """The report as one HTML file, which needs no network.

    image: which one of validation both networks explain; None for the image whose answer changed and lost most
    confidence. Everything is measured on validation images. WorkbenchError for an image that is not there; Cancelled.
    """
    progress, told = progress or Progress(), []
    image_of(opened.asked.subject, image or 0)
    parts: tuple[Callable[[Teller], Iterator[Section]], ...] = (_costs, _looks, _decided, units, within)
    for i, part in enumerate(parts):
        teller = Teller(opened, image, progress.part(i / len(parts), (i + 1) / len(parts)))
        told += [section for section in part(teller) if section.body]
    told.append(_made(opened))
    recipe = opened.asked.recipe
    return html.page(f"{recipe.network} on {recipe.dataset}, compressed", _headline(opened, progress), told)


def _headline(opened: Opened, progress: Progress) -> list[str]:
    asked, loaded = opened.asked, opened.loaded
    measured = measure_file(loaded, asked.subject.dataset, split=SPLIT, progress=progress)
    dense = asked.subject.dense_accuracy(SPLIT)
    steps = " → ".join(f"{method_named(s.method).title} ({s})" for s in asked.recipe.steps) or "nothing was done"
    boxes = html.tiles(
        ("File", f"{measured.file_bytes:,} bytes", f"{measured.compression_ratio:.1f}× smaller; written and read back"),
        ("Accuracy", f"{100 * measured.accuracy.accuracy:.2f} %", _interval(measured.accuracy)),
        ("Dense network", f"{100 * dense.accuracy:.2f} %", f"{measured.dense_bytes:,} bytes"),
        ("Multiplications", f"{measured.macs:,}", f"of {measured.dense_macs:,} in the dense network"),
    )
    about = f"{asked.subject.dataset.title}; every figure here is measured on its validation images."
    return [html.words(steps), boxes, html.words(about, *asked.subject.dataset.remarks, opened.remark)]


def _interval(found: Accuracy) -> str:
    low, high = found.interval
    return f"95 % interval {100 * low:.2f} to {100 * high:.2f} %, n = {found.n:,}"


def _costs(teller: Teller) -> Iterator[Section]:
    found = teller.answer(CostsQuestion())
    by_class = classes.view(found, classes=teller.names)
    confused, flipped = confusion.view(found, classes=teller.names), flips.view(found, classes=teller.names)
    warnings = "".join(html.words(warning, kind="warning") for warning in by_class.warnings)
    yield Section(
        "What it cost, and whom",
        (
            warnings,
            drawn(classes, by_class, "Change in accuracy of every class, with intervals"),
            drawn(confusion, confused, "Which classes are taken for which more often now"),
        ),
    )
    yield Section(
        "Images whose answer changed",
        (html.words(flipped.sentence), tiles.html(flipped.tiles[:_IMAGES]), drawn(flips, flipped, "Every flip")),
    )


def _looks(teller: Teller) -> Iterator[Section]:
    asked, image = teller.opened.asked, teller.image
    if image is None:
        found = teller.answer(CostsQuestion())
        image = found.flips[0].index if found.flips else 0
    body = []
    for name, way in attributions().items():
        try:
            pair = teller.answer(AttributionQuestion(name, image))
        except WorkbenchError as error:
            body.append(html.head(way.title) + html.words(str(error)))
            continue
        view = attribution.view(pair, classes=teller.names, method=way.title)
        body.append(html.head(way.title) + html.words(way.help) + drawn(attribution, view, f"{way.title} of both"))
    title = f"What both networks look at in image {image} of {asked.recipe.dataset}"
    yield Section(title, tuple(body))


def _decided(teller: Teller) -> Iterator[Section]:
    decisions = teller.opened.model.decisions
    layers = list(dict.fromkeys(decision.layer for decision in decisions))
    body = []
    for layer in layers[:_SHOWN]:
        view = filter_norms.view(decisions, layer=layer)
        picture = filter_norms.bars(view) if view.ranked else filter_norms.figure(view)
        body.append(html.head(layer) + html.chart(picture, f"Scores of the units of {layer}, with the cut"))
    if len(layers) > _SHOWN:
        body.append(html.words(f"{len(layers) - _SHOWN} more layers are left out here: {', '.join(layers[_SHOWN:])}."))
    yield Section("What was removed, and where the cut lies", tuple(body))


def _made(opened: Opened) -> Section:
    recipe, loaded = opened.asked.recipe, opened.loaded
    steps = " ".join(f"--step '{step}'" for step in recipe.steps)
    command = f"workbench compress --network {recipe.network} --dataset {recipe.dataset} {steps} --seed {recipe.seed}"
    parts = html.table(("part of the file", "bytes"), [*loaded.parts.items(), ("file", loaded.file_bytes)])
    tensors = html.table(("tensor", "bytes"), list(loaded.tensor_bytes.items()))
    notes = "".join(f"<li>{escape(note)}</li>" for note in opened.model.notes)
    said = f"<ul>{notes}</ul>" if notes else ""
    made = html.words("The command that makes this file:") + f"<p><code>{escape(command)}</code></p>"
    return Section("How it was made", (made, said, parts, html.folded("Bytes of every tensor", tensors)))
