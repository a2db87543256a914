"""A layer's own value, a choice from the sensitivity, a recovery and the comparison, on the page."""

from __future__ import annotations

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def measured(visit) -> None:
    """Wait for the setting's own measurement; its curve may go on."""
    with visit.in_vain("The setting was not measured"):
        visit.page.locator(".wb-tile.wb-measured").first.wait_for()


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url)
    made.page.set_default_timeout(60_000)
    made.page.locator(".wb-chart[data-drawn]").first.wait_for(timeout=120_000)
    made.pick("2. Network", "lenet5_1998")
    made.page.locator(".wb-help", has_text="61,706 parameters").wait_for()
    measured(made)
    yield made
    made.close()


def test_a_layer_gets_its_own_value(visit):
    page = visit.page
    assert page.get_by_role("button", name="Clear all own values").is_hidden()
    visit.pick("Own values for one layer", "fc1")
    page.get_by_label("own pruning ratio at fc1").check()
    visit.slider("pruning ratio at fc1").wait_for()
    visit.type("pruning ratio at fc1", 0.8)
    page.locator(".wb-own-list", has_text="fc1: 0.8").wait_for()
    measured(visit)
    assert visit.readout("pruning ratio") == "0.5"
    page.locator(".legend text", has_text="Magnitude pruning (own values)").wait_for()


def test_an_own_value_that_makes_no_sense_is_answered_beside_it(visit):
    visit.type("pruning ratio at fc1", 7)
    said = visit.page.locator(".wb-wrong:not(:empty)")
    said.wait_for()
    assert said.inner_text() == ("prune.magnitude_iter: pruning ratio at fc1 must be a number in [0, 0.99]; got 7.")
    visit.field("pruning ratio at fc1").press("Escape")


def test_every_layers_value_is_chosen_from_the_sensitivity(visit):
    page = visit.page
    visit.look("Which layer minds most")
    choose = page.get_by_role("button", name="Choose each layer's value")
    assert choose.is_disabled() and page.locator("text=Measure the sensitivity first").is_visible()
    page.get_by_role("button", name="Measure sensitivity").click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('button')].some((b) => b.textContent.startsWith('Choose') && !b.disabled)"
    )
    choose.click()
    table = page.locator(".wb-allocation table")
    table.wait_for()
    rows = [row.locator("td").all_inner_texts() for row in table.locator("tr").all()[1:]]
    assert [row[0] for row in rows] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    assert all(0 <= float(row[1]) <= 0.99 and row[2] for row in rows)
    listed = page.locator(".wb-own-list").inner_text()
    assert all(f"{layer}: {value}" in listed for layer, value, _ in rows)
    page.locator(".legend text", has_text="chosen for its layer").wait_for()
    assert "the whole recipe loses" in page.locator(".wb-allocation").inner_text()


def test_everything_is_cleared(visit):
    visit.page.get_by_role("button", name="Clear all own values").click()
    visit.page.locator(".wb-allocation table").wait_for(state="detached")
    visit.expect(visit.page.get_by_label("own pruning ratio at fc1")).not_to_be_checked()


def test_a_recovery_is_offered_or_says_why_not(visit):
    page = visit.page
    assert page.get_by_role("button", name="BatchNorm").is_disabled()
    assert page.locator("text=BatchNorm is off: lenet5_1998 has no BatchNorm layer.").is_visible()
    page.get_by_role("button", name="Fine-tune").click()
    page.get_by_role("button", name="2. Fine-tuning").wait_for()
    page.get_by_role("button", name="Remove step").click()
    visit.slider("pruning ratio").wait_for()


def test_what_was_measured_is_compared(visit):
    page = visit.page
    visit.pick("3. Method", "quant.kmeans_share")
    visit.slider("bits (bit)").wait_for()
    visit.ready()
    visit.look("Compare")
    with visit.in_vain("What was measured is not compared"):
        page.locator("h2", has_text="Whole curves, against ").wait_for()
        page.get_by_label("Baseline").select_option("prune.magnitude_iter")
        page.locator("h2", has_text="Whole curves, against Magnitude pruning").wait_for()
        page.get_by_label("Baseline").select_option("quant.kmeans_share")
        page.locator("h2", has_text="Whole curves, against k-means weight sharing").wait_for()
    chart = page.locator(".wb-chart:visible").nth(1)
    chart.locator("text=frontier: nothing is smaller and better").first.wait_for()


@pytest.mark.parametrize("width", [1280, 800])
def test_the_page_is_no_wider_than_its_window(visit, width):
    visit.page.set_viewport_size({"width": width, "height": 1000})
    visit.page.wait_for_function(f"() => document.querySelector('.wb-app').scrollWidth <= {width}")


def test_no_error_was_thrown_in_the_page(visit):
    assert visit.errors == [] and visit.page.locator(".wb-error").is_hidden()
