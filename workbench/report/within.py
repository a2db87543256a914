"""What compression changed inside the layers: errors, levels, and the directions that are gone."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.inside import Inside
from ..experiment.questions.inside import InsideQuestion
from ..figures import levels, spectrum, sqnr, tiles
from . import page as html
from .page import Section
from .teller import Teller, drawn

_SHOWN = 4
_IMAGES = 12


def within(teller: Teller) -> Iterator[Section]:
    """Every layer's error; then the first few quantized and the first few factorised layers."""
    found: Inside = teller.answer(InsideQuestion())
    errors = sqnr.view(found)
    body = [drawn(sqnr, errors, "Signal over error in each layer, in decibels"), html.words(*errors.notes)]
    for one in found.levels[:_SHOWN]:
        view = levels.view(found, layer=one.layer)
        body += [html.head(one.layer), drawn(levels, view, f"Weights of {one.layer} before, and its levels")]
    for direction in found.directions[:_SHOWN]:
        cut = spectrum.view(found, layer=direction.layer, classes=teller.names)
        body += [html.head(direction.layer), drawn(spectrum, cut, f"Singular values of {direction.layer}")]
        body += [html.words(cut.sentence), tiles.html(cut.tiles[:_IMAGES])]
    left = [one.layer for one in found.levels[_SHOWN:]] + [one.layer for one in found.directions[_SHOWN:]]
    body.append(html.words(f"Left out here: {', '.join(left)}.") if left else "")
    yield Section("Inside the layers", tuple(body))
