"""Flips, classes and confusion as pictures and tables, against records made by hand."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from test_costs import logits, planted

from workbench.core.context import Batch
from workbench.core.costs import BROKEN, FATES
from workbench.explain.costs import costs_of
from workbench.explain.pictures import pictures
from workbench.figures import classes as by_class
from workbench.figures import confusion, flips, tiles

NAMES = tuple("abcdefghij")


def found(**changes):
    labels, before, after = planted(**changes)
    made = costs_of(logits(before), logits(after), labels)
    images = Batch(torch.rand(len(labels), 1, 8, 8, generator=torch.Generator().manual_seed(0)), labels)
    return made.__class__(**{**vars(made), "pictures": pictures(images, [f.index for f in made.flips[:20]])})


@pytest.mark.parametrize("module", [by_class, confusion, flips])
def test_nothing_measured_is_one_sentence(module):
    drawn = module.figure(module.view(None))
    assert len(drawn.data) == 0 and drawn.layout.annotations[0].text == module.NOTHING
    assert module.table(module.view(None)) == []


@pytest.mark.parametrize("module", [by_class, confusion, flips])
def test_both_themes_draw_the_same_data(module):
    light, dark = (module.figure(module.view(found(), classes=NAMES), dark=dark) for dark in (False, True))
    assert [len(t.x) for t in light.data] == [len(t.x) for t in dark.data]
    assert light.layout.template.layout.paper_bgcolor != dark.layout.template.layout.paper_bgcolor


def test_the_worst_class_comes_first_and_a_click_finds_it():
    view = by_class.view(found(), classes=NAMES)
    first = view.rows[0]
    assert (first.name, first.verdict, first.lost, first.gained, first.n) == ("d", "surely worse", 40, 0, 100)
    assert {row.verdict for row in view.rows[1:]} == {"not sure"}
    assert by_class.class_at(view, 0, 0) == 3 and by_class.class_at(view, 0, 1) is None
    assert by_class.class_at(view, 1, 0) == view.rows[1].label and by_class.class_at(view, 9, 0) is None
    drawn = by_class.figure(view)
    assert drawn.data[0].x == pytest.approx([-40.0]) and drawn.data[0].y == ("d",)
    assert drawn.data[0].error_x.array[0] == pytest.approx(100 * (first.high + 0.4))
    assert drawn.layout.yaxis.categoryarray[-1] == "d"


def test_the_warning_has_both_ranges_and_the_number_of_images():
    (said,) = by_class.view(found(), classes=NAMES).warnings
    assert said.startswith("The average hides a loss: “d” changes by −40.0 points (")
    assert "all 1,000 images together by −4.0 points (" in said and "more than twice apart" in said
    assert by_class.view(found(share=0.02), classes=NAMES).warnings == ()


def test_the_sentence_says_whether_a_file_was_read_and_how_many_images():
    view = by_class.view(found(), classes=NAMES)
    assert view.sentence.startswith("All 1,000 validation images: 100.0 % → 96.0 %, −4.0 points")
    assert "as it is in memory" in view.sentence
    part = found().__class__(**{**vars(found()), "total": 5000, "file": True})
    sentence = by_class.view(part).sentence
    assert sentence.startswith("1,000 of 5,000 validation images") and "read back from its file" in sentence


def test_of_many_classes_the_worst_are_drawn():
    view = by_class.view(found(), most=4)
    assert len(view.rows) == 4 and view.left_out == 6 and view.rows[0].label == 3
    assert view.note.startswith("Of 10 classes 1 surely worse, 0 surely better. Ranges")


def test_the_sure_cells_are_framed_and_a_click_names_the_cell():
    view = confusion.view(found(), classes=NAMES)
    drawn = confusion.figure(view)
    assert [(s.x0, s.y0) for s in drawn.layout.shapes] == [(2.5, 2.5), (3.5, 2.5)]
    assert drawn.data[0].z[3][4] == 40 and drawn.data[0].text[3][3] == "<b>−40</b>"
    assert confusion.cell_at(view, (3, 4)) == (3, 4) == confusion.cell_at(view, 34)
    assert confusion.cell_at(view, (3, 10)) is None
    assert confusion.table(view)[0] == {
        "true class": "d", "answer": "d", "dense": "100", "compressed": "60", "change": "−40", "sure": "yes",
    }  # fmt: skip


def test_of_many_classes_those_that_moved_are_in_the_matrix():
    view = confusion.view(found(), classes=NAMES, most=3)
    assert {3, 4} <= set(view.labels) and len(view.labels) == 3 and "3 of 10 classes" in view.sentence
    assert confusion.view(found(share=0)).missing == "No answer has changed."


def test_flips_are_pictures_in_order_and_can_be_narrowed():
    view = flips.view(found(), classes=NAMES, selected=13)
    assert len(view.flips) == 40 and len(view.tiles) == 20 and view.missing == ""
    assert view.sentence.startswith("1,000 validation images: 40 answers changed (40 right to wrong, 0 wrong to right")
    tile = view.tiles[0]
    assert tile.key == view.flips[0].index and tile.lines[0].endswith("a “d”") and tile.mark == "bad"
    assert "now: “e”" in tile.lines[2] and tile.lines[3] == BROKEN
    assert flips.view(found(), label=3, answer=4).flips == view.flips
    assert flips.view(found(), label=2).missing == flips.NONE_OF == flips.view(found(), fate=FATES[1]).missing
    assert flips.flip_at(view, 0, 1) == view.flips[1].index and flips.flip_at(view, 1, 0) is None
    chosen = [f.index for f in view.flips].index(13)
    sizes = flips.figure(view).data[0].marker.size
    assert sizes[chosen] == max(sizes) and sizes.count(max(sizes)) == 1
    assert len(flips.table(view)) == 40


def test_without_a_flip_the_picture_says_so():
    view = flips.view(found(share=0))
    assert view.tiles == () and "both networks give the same answer to each" in view.missing


def test_a_tile_holds_the_very_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    source = tiles.data_url(picture)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))), picture)
    page = tiles.html([tiles.Tile(1, source, ("a <b>", "c"), "it's")])
    assert "a &lt;b&gt;<br>c" in page and source in page and 'alt="it&#x27;s"' in page


def test_pictures_are_the_images_in_bytes_and_large_ones_are_made_smaller():
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    made = pictures(Batch(images, torch.zeros(3, dtype=torch.int64)), [2, 0])
    assert np.array_equal(made[0], (255 * images[0]).round().byte().permute(1, 2, 0).numpy()) and list(made) == [2, 0]
    large = pictures(Batch(torch.full((1, 1, 256, 128), 0.5), torch.zeros(1, dtype=torch.int64)), [0])[0]
    assert large.shape == (64, 32, 1) and (large == 128).all()
    normal = pictures(Batch(torch.randn(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64)), [0])[0]
    assert normal.min() == 0 and normal.max() == 255
    assert pictures(Batch(images, torch.zeros(3)), []) == {}
