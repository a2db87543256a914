"""Themes, tables behind charts and what is spoken, without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import test_figures
import ui_fakes
from test_ui_app import button, text_of
from ui_fakes import made_up

from workbench.experiment.reports import Idle, Measured, Sampled, Working
from workbench.figures import theme
from workbench.ui import access
from workbench.ui.chart import Chart, PlotlyBundle
from workbench.ui.widgets import BROWSER

CSS = Path(BROWSER / "page.css").read_text()
TEXT = [
    *((ink, "paper") for ink in ("ink", "faint", "accent", "bad", "off")),
    *((ink, "raised") for ink in ("ink", "faint")),
    ("ink", "hover"),
    ("ink", "code"),
    ("ink", "bad-paper"),
    ("bad", "bad-paper"),
    ("on-accent", "accent"),
    ("on-bad", "bad"),
]
GRAPHICS = [
    ("edge", "paper"),
    ("accent", "paper"),
    ("bad", "paper"),
    *((mark, "paper") for mark in ("lost", "won", "agreed")),
]


def colours(selector: str) -> dict[str, str]:
    block = re.search(re.escape(selector) + r" \{(.*?)\}", CSS, re.DOTALL)
    return dict(re.findall(r"--wb-([\w-]+): (#[0-9a-f]{6});", block[1]))


def contrast(a: str, b: str) -> float:
    """WCAG 2.2: (lighter + 0.05) / (darker + 0.05) of relative luminances."""
    low, high = sorted(map(luminance, (a, b)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * s for weight, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


THEMES = {"light": colours(":root"), "dark": colours(":root[data-wb-theme=dark]")}


def test_contrast_is_what_the_guideline_says_it_is():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.01
    )


@pytest.mark.parametrize("name", THEMES)
def test_words_and_edges_stand_out(name):
    found = THEMES[name]
    assert {
        pair: round(contrast(*map(found.get, pair)), 2) for pair in TEXT if contrast(*map(found.get, pair)) < 4.5
    } == {}
    assert {pair: contrast(*map(found.get, pair)) for pair in GRAPHICS if contrast(*map(found.get, pair)) < 3} == {}


def test_both_themes_name_every_colour_and_nothing_else_does():
    assert THEMES["light"].keys() == THEMES["dark"].keys()
    rest = CSS[CSS.index(".wb-app {") :]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(", rest) == []
    assert set(re.findall(r"var\(--wb-([\w-]+)\)", rest)) <= THEMES["light"].keys()


def test_charts_stand_on_the_page_without_an_edge():
    assert [THEMES["light"]["paper"], THEMES["dark"]["paper"]] == [theme.LIGHT.paper, theme.DARK.paper]


def in_the_dark(text: str) -> str:
    """What chart.js does to a figure."""
    dark = theme.darkened()
    triples = {numbers(a): numbers(b) for a, b in dark.items()}
    text = re.sub(r"#[0-9a-f]{6}\b", lambda found: dark.get(found[0], found[0]), text)
    change = lambda found: found[1] + triples.get(found[2].replace(" ", ""), found[2])  # noqa: E731
    return re.sub(r"(rgba?\()(\d+, ?\d+, ?\d+)", change, text)


def numbers(colour: str) -> str:
    return ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))


@pytest.mark.parametrize("name", test_figures.DRAWN)
def test_a_light_figure_with_its_colours_exchanged_is_the_dark_one(name):
    records, draw = test_figures.DRAWN[name]
    light, dark = draw(records, False).to_json(), draw(records, True).to_json()
    assert in_the_dark(light) == dark != light


def test_no_colour_of_the_light_theme_stands_for_two():
    known = theme.darkened()
    assert len(known) == 4 + len(theme.LIGHT.families) and PlotlyBundle().dark == known


@pytest.fixture
def app():
    made = ui_fakes.app(answers=True)
    yield made
    made.close()


def charts(widget) -> list[Chart]:
    found = [widget] if isinstance(widget, Chart) else []
    return found + [chart for child in getattr(widget, "children", ()) for chart in charts(child)]


def test_a_chart_that_shows_something_has_a_table(app):
    drawn = [chart for chart in charts(app.widget) if '"data":[]' not in chart.figure and chart.figure]
    assert drawn
    assert [c.label for c in drawn if not c.rows and not c.label.endswith("the same")] == []


def test_the_table_of_the_curve_follows_it(app):
    curve = next(c for c in charts(app.widget) if c.label.startswith("Accuracy against file size"))
    assert {"recipe", "kind", "file size", "accuracy", "95 % interval"} == curve.rows[0].keys()
    before = len(curve.rows)
    app.state.turn("pruning_ratio", 0.8)
    assert len(curve.rows) == before + 1


def test_what_is_spoken_says_how_well_it_is_known():
    made = ui_fakes.app()
    state, recipe = made.state, made.state.recipe
    assert access.sentence(state) == "Estimate: accuracy about 91.0 %, file size about 49.0 kB. Ready."
    made.live.notify(Sampled(recipe, ui_fakes.accuracy(40, 50), 51_000))
    assert access.sentence(state) == "Sample of 50: accuracy 80.0 %, file size about 51.0 kB. Ready."
    made.live.notify(Measured(recipe, made_up(recipe)))
    assert access.sentence(state) == "Measured: accuracy 90.0 %, file size 50.0 kB, smaller by 34.5×. Ready."
    state.busy = True
    assert access.sentence(state).endswith("Working.")
    made.close()


def test_what_was_stopped_says_so_and_can_be_measured_after_all():
    made = ui_fakes.app()
    again = button(made, "Measure it")
    assert again.layout.display == "none" and "stopped" not in text_of(made)
    made.live.notify(Working("training", 0.1))
    made.live.notify(Idle("cancelled"))
    assert again.layout.display == "" and "stopped before it was measured" in text_of(made)
    again.click()
    assert made.live.asked[-1] == ("show", made.state.recipe)
    made.live.notify(Working("training", 0.1))
    assert again.layout.display == "none"
    made.live.notify(Measured(made.state.recipe, made_up(made.state.recipe)))
    made.live.notify(Idle("cancelled"))
    assert again.layout.display == "none" and "Ready: move a slider" in text_of(made)
    made.close()


def test_another_choice_is_not_called_stopped():
    made = ui_fakes.app()
    made.live.notify(Idle("failed"))
    assert made.state.stopped
    made.state.turn("pruning_ratio", 0.7)
    assert not made.state.stopped
    made.close()
