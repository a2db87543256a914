"""A lesson as a student plays it: from the teacher's link to the exported file and its place on the contest board."""

from __future__ import annotations

import json
import re

import pytest
from visiting import Visit

from workbench.cli import main
from workbench.core.recipe import Recipe, Step
from workbench.data import load_dataset
from workbench.export import recipe_in
from workbench.measure.accuracy import accuracy
from workbench.networks.artifact import unpack_model
from workbench.ui.link import Link, decoded, encoded
from workbench.ui.snapshot import Snapshot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PATIENCE_MS = 120_000
AS_A_WIDGET_WRITES = "() => (document.activeElement.closest('.widget-html-content').innerHTML += ' ')"
REASON = "today everybody shrinks the same network"
RECIPE = Recipe(
    "lenet5_1998",
    "digits",
    (
        Step("prune.magnitude_iter", {"pruning_ratio": 0.4}),
        Step("quant.kmeans_share", {"bits": 4}),
    ),
)
LESSON = Link(
    Snapshot(RECIPE, layer="fc1", view="layers"),
    locked=("dataset", "network", "method", "steps", "knob.epochs"),
    hidden=("view.train", "view.advisor"),
    reason=REASON,
)


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url + encoded(LESSON)).measured(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def file(visit, tmp_path_factory):
    """What the browser was handed, under the name that it was given."""
    visit.ready()
    with visit.page.expect_download() as waiting:
        visit.page.get_by_role("button", name="Download the file").click()
    path = tmp_path_factory.mktemp("downloads") / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def shown_accuracy(visit) -> str:
    return visit.tile().locator("b").inner_text()


def shown_bytes(visit) -> int:
    """On the button that hands the file out."""
    label = visit.page.get_by_role("button", name="Download the file").inner_text()
    return int(re.sub(r"\D", "", label))


def inert(locator) -> bool:
    return locator.evaluate("(control) => Boolean(control.closest('[inert]'))")


def ratio_is(visit, value: str) -> None:
    visit.expect(visit.field("pruning ratio")).to_have_value(value, timeout=PATIENCE_MS)
    visit.ready()
    visit.page.locator(".wb-tile.wb-measured").first.wait_for()


def address_says(visit, ratio: float) -> None:
    for _ in range(100):
        link = decoded(visit.page.evaluate("() => new URLSearchParams(location.search).get('s')"))
        said = link.snapshot.recipe.steps[0].knobs["pruning_ratio"]
        if said == ratio:
            return
        visit.page.wait_for_timeout(200)
    raise AssertionError(f"The address still says {said}.\n{visit.condition()}")


def test_the_link_opens_the_lesson_and_the_page_says_so(visit):
    page = visit.page
    off = "Off: Data, Network, Method, Steps and their order, Epochs."
    page.get_by_text(f"This page is a lesson. {off} {REASON.capitalize()}").wait_for()
    assert page.get_by_label("2. Network").input_value() == "lenet5_1998"
    assert page.get_by_role("button", name="1. Magnitude pruning").is_visible()
    assert page.get_by_role("button", name="2. k-means weight sharing").is_visible()
    ratio_is(visit, "0.4")


@pytest.mark.parametrize("name", ["1. Data", "2. Network", "3. Method"])
def test_what_is_locked_is_in_sight_and_off_with_the_teachers_reason(visit, name):
    menu = visit.page.get_by_label(name)
    assert menu.is_visible() and inert(menu)
    held = visit.page.locator(".wb-held", has=menu)
    assert f"in this lesson: {REASON}" in held.last.inner_text()


def test_a_locked_knob_does_not_move_and_the_free_one_does(visit):
    assert inert(visit.slider("epochs")) and not inert(visit.slider("pruning ratio"))
    visit.page.get_by_text(f"Stays at 0 in this lesson: {REASON}").wait_for()
    box = visit.slider("epochs").bounding_box()
    visit.page.mouse.click(box["x"] + 80, box["y"] + box["height"] / 2)
    assert visit.slider("epochs").get_attribute("aria-valuetext") == "0"
    add = visit.page.get_by_role("button", name="Add step")
    assert add.is_visible() and inert(add)


def test_what_is_hidden_is_not_on_the_page(visit):
    views = visit.page.locator(".wb-lower > .widget-toggle-buttons button").all_inner_texts()
    assert "Layers" in views and len(views) == 11
    assert not {"Train a network", "Ask for advice"} & set(views)
    assert visit.page.get_by_role("button", name="Make a lesson link").is_hidden()


def test_a_key_on_the_slider_brings_another_measured_number(visit):
    before = shown_bytes(visit)
    visit.slider("pruning ratio").focus()
    for _ in range(20):
        visit.page.keyboard.press("ArrowRight")
    ratio_is(visit, "0.6")
    assert shown_bytes(visit) < before
    assert re.fullmatch(r"\d+\.\d %", shown_accuracy(visit))
    assert "n = 360 validation images" in visit.tile().inner_text()


def test_dragging_with_the_mouse_does_the_same(visit):
    before = shown_bytes(visit)
    box = visit.slider("pruning ratio").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visit.page.mouse.move(*middle)
    visit.page.mouse.down()
    visit.page.mouse.move(middle[0] - 30, middle[1], steps=8)
    visit.page.mouse.up()
    visit.page.wait_for_function("() => document.querySelector('.wb-number input').value !== '0.6'")
    visit.measured()
    assert float(visit.readout("pruning ratio")) < 0.6 and shown_bytes(visit) > before


def test_undo_takes_back_and_redo_does_again(visit):
    page, dragged = visit.page, visit.readout("pruning ratio")
    page.get_by_role("button", name="Undo", exact=True).click()
    ratio_is(visit, "0.6")
    size = shown_bytes(visit)
    page.get_by_role("button", name="Redo", exact=True).click()
    ratio_is(visit, dragged)
    assert shown_bytes(visit) > size
    page.keyboard.press("Control+z")
    ratio_is(visit, "0.6")
    assert shown_bytes(visit) == size


def test_a_click_on_a_layer_and_the_card_of_a_unit(visit):
    page = visit.page
    visit.look("Layers")
    bars = page.locator(".wb-chart:visible").nth(1).locator(".barlayer .trace").nth(1).locator(".point path")
    bars.nth(1).click(force=True)
    visit.look("Why could it go?")
    visit.expect(page.get_by_label("Layer", exact=True).locator("visible=true")).to_have_value("conv2")
    page.locator(".wb-slider:visible, .widget-slider:visible", has_text="number").wait_for()
    visit.slider("number").locator("visible=true").focus()
    page.keyboard.press("ArrowRight")
    page.locator("summary:visible", has_text="All numbers").press("Enter")
    with visit.in_vain("The numbers of all units did not unfold"):
        page.locator("table:visible th", has_text="unit").first.wait_for()


def test_what_was_unfolded_stays_so_when_it_is_written_anew(visit):
    page = visit.page
    visit.ready()
    old = page.locator("details[open]:visible", has_text="All numbers")
    old.evaluate("(fold) => fold.setAttribute('data-old', '')")
    visit.slider("number").locator("visible=true").press("ArrowRight")
    numbers = page.locator("details[open]:not([data-old]):visible", has_text="All numbers")
    with visit.in_vain("It was folded again, or never written anew"):
        numbers.wait_for()
    numbers.locator("summary").focus()
    page.evaluate(AS_A_WIDGET_WRITES)
    visit.expect(numbers.locator("summary")).to_be_focused()
    numbers.locator("summary").press("Enter")
    page.locator("details:not([open]):visible", has_text="All numbers").wait_for()


def test_the_downloaded_file_is_what_the_page_says(visit, file):
    assert file.suffix == ".wbz" and len(file.read_bytes()) == shown_bytes(visit)
    loaded = unpack_model(file.read_bytes())
    found = accuracy(loaded.network, load_dataset("digits").split("validation"), split="validation")
    assert f"{100 * found.accuracy:.1f} %" == shown_accuracy(visit) and found.n == 360
    steps = recipe_in(file).steps
    assert [step.method for step in steps] == [step.method for step in RECIPE.steps]
    assert steps[0].knobs["pruning_ratio"] == 0.6


def test_the_file_goes_to_the_contest_and_scores_what_the_page_reports(visit, file, tmp_path, capsys):
    page = visit.page
    page.get_by_role("button", name="Measure on test data").click()
    told = page.get_by_text("On the held-out test data").inner_text()
    board = ["--board", str(tmp_path / "board.sqlite")]
    assert main(["contest", "open", "--least", "0.9", *board]) == 0
    capsys.readouterr()
    assert main(["contest", "submit", str(file), "--name", "Ada", *board, "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)["entry"]
    assert entry["file_bytes"] == shown_bytes(visit)
    assert f"{100 * entry['correct'] / entry['n']:.1f} %" in told and entry["n"] == 359
    assert main(["contest", "board", *board]) == 0
    assert "Ada" in capsys.readouterr().out


def test_reloading_the_page_keeps_choice_and_lesson(visit):
    page = visit.page
    address_says(visit, 0.6)
    page.reload(timeout=PATIENCE_MS)
    address_says(visit, 0.6)
    visit.measured()
    ratio_is(visit, "0.6")
    assert inert(page.get_by_label("2. Network"))
    assert visit.errors == [] and page.locator(".wb-error").is_hidden()
