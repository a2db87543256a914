"""What holds for every figure, and the view tuples of the smaller ones."""

import copy
import html
import itertools
import json
import math
import re
import subprocess
import sys

import numpy as np
import plotly.graph_objects as go
import pytest
from figure_records import DENSE_BYTES, PARTS, curve, decision, rows, run, scan, whole

from workbench.core.attribution import AttributionPair, Similarity
from workbench.core.records import Decision, Histogram
from workbench.figures import accuracy_bytes, attribution, filter_norms, layers, sensitivity, theme, waterfall

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(2, 6, 5)).astype(np.float32)
PAIR = AttributionPair(
    "saliency",
    4,
    2,
    1,
    RNG.random((1, 6, 5), np.float32),
    *MAPS,
    0.9,
    0.25,
    1,
    2,
    similarity=Similarity(0.5, 0.4, 0.3),
    note="A note.",
)
RUNS = curve("prune.toy", "ratio", [(0.5, 194, 21_000), (0.9, 180, 5_000)])

DRAWN = {
    "accuracy_bytes": (RUNS, lambda r, dark: accuracy_bytes.figure(accuracy_bytes.view(r), dark=dark)),
    "sensitivity": (scan(), lambda s, dark: sensitivity.figure(sensitivity.view(s, selected="fc"), dark=dark)),
    "heatmap": (scan(), lambda s, dark: sensitivity.heatmap(sensitivity.view(s), dark=dark)),
    "filter_norms": ([decision()], lambda d, dark: filter_norms.figure(filter_norms.view(d), dark=dark)),
    "bars": ([decision()], lambda d, dark: filter_norms.bars(filter_norms.view(d, selected=2), dark=dark)),
    "waterfall": (whole(), lambda r, dark: waterfall.figure(waterfall.view(r), dark=dark)),
    "layers": (rows(), lambda r, dark: layers.figure(layers.view(r, selected="fc"), dark=dark)),
    "attribution": (PAIR, lambda p, dark: attribution.figure(attribution.view(p), dark=dark)),
}
EMPTY = {
    "accuracy_bytes": lambda: accuracy_bytes.figure(accuracy_bytes.view([])),
    "sensitivity": lambda: sensitivity.figure(sensitivity.view(None)),
    "heatmap": lambda: sensitivity.heatmap(sensitivity.view(None)),
    "filter_norms": lambda: filter_norms.figure(filter_norms.view([])),
    "bars": lambda: filter_norms.bars(filter_norms.view([])),
    "waterfall": lambda: waterfall.figure(waterfall.view(None)),
    "layers": lambda: layers.figure(layers.view([])),
    "attribution": lambda: attribution.figure(attribution.view(None)),
}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", DRAWN)
def test_the_same_records_give_the_same_figure_and_stay_as_they_were(name, dark):
    records, draw = DRAWN[name]
    before = copy.deepcopy(records)
    assert draw(records, dark).to_json() == draw(copy.deepcopy(records), dark).to_json()
    assert repr(records) == repr(before)


@pytest.mark.parametrize("name", DRAWN)
def test_light_and_dark_differ_in_colour_only(name):
    records, draw = DRAWN[name]
    light, dark = draw(records, False), draw(records, True)
    assert light.layout.template.layout.paper_bgcolor != dark.layout.template.layout.paper_bgcolor
    assert [(t.type, t.name) for t in light.data] == [(t.type, t.name) for t in dark.data]


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_figure_is_one_sentence_without_axes(name):
    drawn = EMPTY[name]()
    assert len(drawn.data) == 0
    assert [a.text.endswith(".") for a in drawn.layout.annotations] == [True]
    assert drawn.layout.xaxis.visible is False


def test_figures_load_without_torch():
    names = [
        "accuracy_bytes",
        "allocation",
        "attribution",
        "compare",
        "filter_norms",
        "layers",
        "sensitivity",
        "theme",
        "waterfall",
    ]
    code = f"import sys; from workbench.figures import {', '.join(names)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Theme


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1.0 kB"), (1000, "1.0 kB"), (12_345, "12.3 kB"), (999_960, "1.0 MB"),
     (1_724_320, "1.7 MB"), (2.5e9, "2.5 GB")],
)  # fmt: skip
def test_bytes_are_spelled_in_thousands(n, text):
    assert theme.bytes_text(n) == text


def test_shares_and_differences_have_one_decimal():
    assert [theme.percent(x) for x in (0.9721, 0, 1, 0.0001)] == ["97.2 %", "0.0 %", "100.0 %", "<0.1 %"]
    assert [theme.points(x) for x in (0.012, -0.004, -0.0001)] == ["+1.2 points", "−0.4 points", "+0.0 points"]


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(a, b):
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_stands_out_from_the_page(dark):
    colours = theme.paint(dark)
    assert _contrast(colours.ink, colours.paper) >= 7
    for colour in (colours.faint, *colours.families.values()):
        assert _contrast(colour, colours.paper) >= 3


def test_lines_differ_without_their_colour_and_never_look_like_an_estimate():
    found = theme.styles([*theme.LIGHT.families, "prune", "prune"])
    assert len({(style.marker, style.dash) for style in found}) == len(found)
    assert len({style.colour for style in found}) == len(theme.LIGHT.families)
    assert theme.ESTIMATE_DASH not in {style.dash for style in found + theme.series(60)}
    assert len({style[1:] for style in theme.series(60)}) == 60


def test_the_ticks_of_a_byte_axis_are_round_and_inside():
    at, labels = theme.bytes_ticks(15_000, 2_500_000)
    assert at == [20e3, 50e3, 100e3, 200e3, 500e3, 1e6, 2e6]
    assert labels[:3] == ["20 kB", "50 kB", "100 kB"]
    assert len(theme.bytes_ticks(40_000, 60_000)[0]) == 3
    assert theme.bytes_ticks(50, 2e6)[1] == ["100 B", "1 kB", "10 kB", "100 kB", "1 MB"]


# Sensitivity


def test_losses_are_dense_less_layer_and_unknown_ones_stay_unknown():
    view = sensitivity.view(scan(complete=False))
    assert view.levels == (0.1, 0.5, 0.9)
    np.testing.assert_allclose(view.loss[0], (0, 5 / 200, 60 / 200), atol=1e-12)
    assert view.loss[1][1] is None and view.loss[1][0] == 0
    assert view.lines[1].values == (0.1, 0.9)
    assert view.state == "Largest loss so far: conv at ratio 0.9, −30.0 points."
    assert len(sensitivity.table(view)) == 5


def test_a_layer_that_is_still_to_come_has_a_row_and_no_line():
    early = scan()
    view = sensitivity.view(type(early)(**{**vars(early), "points": early.points[:2], "complete": False}))
    assert view.layers == ("conv", "fc") and [line.layer for line in view.lines] == ["conv"]
    assert view.loss[1] == (None, None)


def test_a_click_on_a_line_or_a_cell_finds_the_layer():
    view = sensitivity.view(scan(), selected="fc")
    drawn = sensitivity.figure(view)
    assert [sensitivity.layer_at(view, i) for i in range(4)] == [None, "conv", "fc", None]
    assert "fc" in drawn.data[2].name and drawn.data[2].line.width > drawn.data[1].line.width
    assert [sensitivity.layer_at_cell(view, c) for c in ([0, 2], (1, 0), 2, 3, [7, 0])] == [
        "conv",
        "fc",
        "conv",
        "fc",
        None,
    ]


# Filter norms


@pytest.mark.parametrize("seed", range(10))
def test_the_histogram_agrees_with_numpy_and_its_cut_is_an_edge(seed):
    scores = np.random.default_rng(seed).gamma(2, size=60)
    cut = float(np.sort(scores)[20])
    kept = scores >= cut
    h = filter_norms.histogram_of(scores.tolist(), kept.tolist(), cut)
    np.testing.assert_array_equal(h.kept, np.histogram(scores[kept], h.edges)[0])
    np.testing.assert_array_equal(h.removed, np.histogram(scores[~kept], h.edges)[0])
    assert cut in h.edges
    assert sum(h.kept) + sum(h.removed) == 60
    assert not any(k for k, edge in zip(h.kept, h.edges, strict=False) if edge < cut)


@pytest.mark.parametrize(
    ("scores", "cut"), [((0.0,) * 5, 0.0), ((3.0,) * 5, None), ((1e-12, 2e-12), 1.5e-12), ((7.0,), 9.0)]
)
def test_flat_tiny_and_single_scores_are_all_counted(scores, cut):
    h = filter_norms.histogram_of(scores, [True] * len(scores), cut)
    assert sum(h.kept) == len(scores) and len(h.edges) == len(h.kept) + 1
    assert all(a < b for a, b in zip(h.edges, h.edges[1:], strict=False))


def test_units_are_ranked_and_a_click_finds_them():
    view = filter_norms.view([decision()], selected=2)
    assert [u.number for u in view.ranked] == [1, 3, 0, 4, 2]
    drawn = filter_norms.bars(view)
    for trace in (filter_norms.KEPT, filter_norms.REMOVED):
        for point, number in enumerate(drawn.data[trace].text):
            assert filter_norms.unit_at(view, trace, point) == int(number)
            assert decision().scores[int(number)] == drawn.data[trace].y[point]
    assert drawn.data[filter_norms.KEPT].marker.line.width == (0, 0, 3)
    assert filter_norms.unit_at(view, 5, 0) is None
    assert view.summary == "2 of 5 filters removed (40.0 %)"


def test_the_selected_layer_chooses_the_decision():
    both = [decision("conv"), decision("fc", (1.0, 2.0), 1.5), decision("fc", (1.0, 3.0), 1.5)]
    assert filter_norms.view(both).layer == "conv"
    assert [u.score for u in filter_norms.view(both, layer="fc").ranked] == [1.0, 3.0]
    missing = filter_norms.view(both, layer="fc2")
    assert missing.missing == "Nothing was ranked in fc2 at this setting; choose conv, fc."
    assert filter_norms.figure(missing).layout.annotations[0].text == missing.missing


def test_weights_use_the_histogram_they_came_with():
    given = Histogram((0.0, 1.0, 2.0), (0, 7), (5, 0))
    weights = Decision("fc", "prune.toy", "|w|", "weight", 1.0, 12, 5, histogram=given)
    view = filter_norms.view([weights])
    assert view.histogram is given and view.ranked == ()
    assert filter_norms.bars(view).to_json() == filter_norms.figure(view).to_json()
    assert filter_norms.table(view)[1] == {"score from": "1", "to": "2", "kept": "7", "removed": "0"}


def test_too_many_units_for_bars_leave_the_histogram():
    many = decision(scores=tuple(float(i) for i in range(filter_norms.MOST_BARS + 1)), cut=10.0)
    assert filter_norms.view([many]).ranked == ()
    assert sum(filter_norms.view([many]).histogram.removed) == 10


def test_scores_over_many_magnitudes_stand_on_a_logarithmic_axis():
    scores = (0.0, 1e-8, 3e-8, 1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 1e-4, 1e-3)
    crowded = filter_norms.view([decision(scores=scores, cut=1e-7)])
    edges, removed = crowded.histogram.edges, sum(crowded.histogram.removed)
    assert (len(scores), removed) == (sum(crowded.histogram.kept) + removed, sum(s < 1e-7 for s in scores))
    steps = [b / a for a, b in itertools.pairwise(edges)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert edges[0] <= 1e-8 and edges[-1] >= 1e-3 and any(edge == pytest.approx(1e-7) for edge in edges)
    bars = filter_norms.bars(crowded)
    tops = sorted(bar + trace.base for trace in bars.data for bar in trace.y)
    assert tops == pytest.approx([-8, *(math.log10(s) for s in scores[1:])])
    assert filter_norms.figure(crowded).layout.xaxis.ticktext[0] == "10<sup>\u22128</sup>"
    assert filter_norms.view([decision()]).scale.floor == 0


def test_removed_units_are_hatched_and_kept_ones_plain():
    kept, removed = filter_norms.figure(filter_norms.view([decision()])).data
    assert kept.marker.pattern.shape is None and removed.marker.pattern.shape == "/"


# Waterfall


def test_steps_and_parts_add_up_to_the_file():
    view = waterfall.view(whole(), titles={"prune.toy": "Toy pruning"})
    assert view.dense_bytes + sum(c.change for c in view.changes) == view.file_bytes == sum(PARTS.values())
    assert sum(p.file_bytes for p in view.parts) == view.file_bytes
    assert {p.part: p.file_bytes for p in view.parts} == PARTS
    assert [c.label for c in view.changes] == ["Toy pruning", "quant.toy"]
    assert [c.change for c in view.changes] == [9_000 - DENSE_BYTES, sum(PARTS.values()) - 9_000]


def test_what_no_stage_explains_is_shown_as_its_own_bar():
    view = waterfall.view(run(("prune.toy", {}), file_bytes=7_000))
    assert view.changes == (waterfall.Change(waterfall.REST, "", 7_000 - DENSE_BYTES),)


def test_every_bar_of_the_waterfall_carries_its_bytes():
    view = waterfall.view(whole())
    steps, _, parts, labels = waterfall.figure(view).data
    assert (len(steps.y), len(parts.y)) == (len(view.changes) + 2, len(PARTS) + 1)
    assert parts.x[-1] == sum(parts.x[:-1]) == view.file_bytes
    assert list(labels.x) == [*np.cumsum(parts.x[:-1]), view.file_bytes]
    assert [row["bytes"] for row in waterfall.table(view)[-len(PARTS) :]] == [f"{p.file_bytes:,}" for p in view.parts]


def test_the_same_step_twice_makes_two_bars():
    from workbench.core.records import Stage

    stages = (Stage("prune.toy:a=1", 9_000, {}, 1, 1), Stage("prune.toy:a=2", 3_000, {}, 1, 1))
    twice = run(("prune.toy", {"a": 1}), ("prune.toy", {"a": 2}), file_bytes=3_000, stages=stages)
    assert waterfall.figure(waterfall.view(twice)).data[0].y[1:3] == ("prune.toy", "prune.toy (2)")


# Layers


def test_bytes_before_are_four_per_dense_parameter_and_a_click_finds_the_layer():
    view = layers.view(rows(), selected="fc")
    assert [(b.layer, b.before, b.after) for b in view.bars] == [
        ("conv", 144, 60),
        ("fc", 16_000, 1_300),
        ("out", 400, 400),
    ]
    drawn = layers.figure(view)
    assert list(drawn.data[layers.BEFORE].x) == [144, 16_000, 400]
    assert list(drawn.data[layers.AFTER].x) == [60, 1_300, 400]
    assert [layers.layer_at(view, layers.AFTER, i) for i in range(4)] == ["conv", "fc", "out", None]
    assert drawn.data[layers.AFTER].marker.line.width == (0, 2, 0)
    assert "fc.first" in view.bars[1].details and "fc.second" in view.bars[1].details
    assert "left as it was" in drawn.data[layers.AFTER].hovertext[2]
    assert [row["left"] for row in layers.table(view)] == ["41.7 %", "8.1 %", "100.0 %"]


def test_a_layer_of_no_bytes_still_has_a_bar():
    from workbench.core.records import LayerRow

    view = layers.view([LayerRow("fc", "linear", (0, 5), 0, 0, 0, 0, 5, "nothing")])
    assert layers.figure(view).data[layers.AFTER].x == (0,)


# Attribution


def test_the_maps_share_one_symmetric_scale_that_none_exceeds():
    view = attribution.view(PAIR, classes=("zero", "one", "two"), method="Saliency")
    for drawn, given in zip((view.dense, view.compressed, view.difference), (*MAPS, MAPS[1] - MAPS[0]), strict=True):
        np.testing.assert_array_equal(np.asarray(drawn, np.float32), given)
        assert abs(given).max() <= view.scale + 1e-6
    axis = attribution.figure(view).layout.coloraxis
    assert (axis.cmin, axis.cmax) == (-view.scale, view.scale)


def test_a_pale_map_is_explained():
    weak = type(PAIR)(**{**vars(PAIR), "compressed": MAPS[0] / 20})
    assert "The compressed network reacts 20× more weakly" in attribution.view(weak).sentence
    assert "weakly" not in attribution.view(PAIR).sentence


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=f()>", '<a href="javascript:f()">x</a>', "<B>", "a < b > c", "&lt;i&gt;", "</script>"]
)
def test_only_our_own_markup_is_markup(name):
    drawn = go.Figure({"data": [{"type": "bar", "name": name, "hovertemplate": f"<b>{name}</b><br>x<extra></extra>"}]})
    told = json.loads(theme.tamed(drawn.to_json()))["data"][0]
    assert re.findall("<.*?>", told["name"]) == []
    assert html.unescape(told["name"]) == name
    assert re.findall("<.*?>", told["hovertemplate"]) == ["<b>", "</b>", "<br>", "<extra>", "</extra>"]


def test_headings_say_who_answers_what():
    view = attribution.view(PAIR, classes=("zero", "one", "two"))
    assert view.headings[0] == "Image: a “two”"
    assert "says “one” (wrong)" in view.headings[1] and "90.0 %" in view.headings[1]
    assert "says “two” (right)" in view.headings[2] and "gives “one” 25.0 %" in view.headings[2]
    assert "0.50" in view.sentence and view.sentence.endswith("A note.")
    assert attribution.table(view)[1]["answer"] == "two"


def test_pixels_are_grey_for_one_channel_and_coloured_for_three():
    grey = attribution.view(PAIR).image
    assert all(r == g == b for row in grey for r, g, b in row)
    assert grey[2][3][0] == round(255 * float(PAIR.image[0, 2, 3]))
    colour = np.stack([np.full((6, 5), x, np.float32) for x in (0, 0.5, 1)])
    pixel = attribution.view(type(PAIR)(**{**vars(PAIR), "image": colour})).image[0][0]
    assert pixel == (0, 128, 255)
