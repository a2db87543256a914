"""On the page: steps by keyboard, accuracy after each, a budget answered and searched, and advice that is taken."""

from __future__ import annotations

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url).measured(90_000)
    made.pick("2. Network", "lenet5_1998")
    made.page.locator(".wb-help", has_text="61,706 parameters").wait_for()
    yield made
    made.close()


def test_steps_are_moved_switched_off_and_removed_with_the_keyboard(visit):
    page = visit.page
    page.get_by_role("button", name="Add step").press("Enter")
    second = page.get_by_role("button", name="2. ")
    second.wait_for()
    visit.pick("3. Method", "recover.finetune")
    page.get_by_role("button", name="2. Fine-tuning").wait_for()
    page.get_by_role("button", name="Switch off").press("Enter")
    page.get_by_role("button", name="2. Fine-tuning (off)").press("Alt+ArrowUp")
    page.get_by_role("button", name="1. Fine-tuning (off)").press("Delete")
    page.get_by_role("button", name="1. Magnitude pruning").wait_for()
    visit.expect(second).to_have_count(0)


def test_accuracy_stands_beside_the_bytes(visit):
    visit.look("Where the bytes went")
    visit.page.locator(".wb-chart:visible text", has_text="Accuracy after it").wait_for()
    visit.page.locator(".wb-help", has_text="Accuracy on 360 validation images").wait_for()


def test_a_budget_is_answered_searched_and_stopped(visit):
    page = visit.page
    visit.look("Say the budget")
    page.get_by_role("textbox", name="Size of the file").fill("30")
    page.keyboard.press("Enter")
    page.locator(".wb-tile.wb-estimate", has_text="an estimate from").wait_for()
    page.get_by_role("button", name="Search for better").click()
    page.locator(".wb-tile", has_text="2 of 20 trials").wait_for()
    page.get_by_role("button", name="Stop the search").click()
    visit.ready()
    page.get_by_role("button", name="Use the searched settings").click()
    page.get_by_role("button", name="3. ").wait_for()


def test_advice_is_given_with_its_source_and_taken(visit):
    page = visit.page
    visit.look("Ask for advice")
    page.get_by_label("What is it for?").select_option("a faster network")
    first = page.locator(".wb-tile:visible", has_text="1. Prune whole filters")
    first.wait_for()
    assert "Lai et al. 2020" in first.inner_text()
    first.get_by_role("button", name="Set L1 filter pruning").click()
    page.get_by_role("button", name="1. L1 filter pruning").wait_for()
    page.locator("text=Where the surveys disagree").wait_for()
    assert visit.errors == []
