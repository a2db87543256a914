"""Back and forth, a link that restores the page, and a lesson whose controls are off: in a real browser."""

from __future__ import annotations

import re

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PATIENCE_MS = 90_000


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url).measured(PATIENCE_MS)
    yield made
    made.close()


def stands_at(visit, name: str, value: str) -> None:
    """Wait until the slider's field shows the value."""
    visit.expect(visit.field(name)).to_have_value(value, timeout=PATIENCE_MS)


def test_a_change_is_taken_back_and_done_again(visit):
    page = visit.page
    undo, redo = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    visit.type("pruning ratio", 0.8)
    visit.expect(undo).to_be_enabled(timeout=PATIENCE_MS)
    undo.click()
    stands_at(visit, "pruning ratio", "0.5")
    redo.click()
    stands_at(visit, "pruning ratio", "0.8")
    page.locator("h1").click()
    page.keyboard.press("Control+z")
    stands_at(visit, "pruning ratio", "0.5")
    page.keyboard.press("Control+Shift+z")
    stands_at(visit, "pruning ratio", "0.8")


def test_the_keys_belong_to_the_field_while_somebody_types(visit):
    box = visit.field("pruning ratio")
    box.click()
    box.press("Control+a")
    visit.page.keyboard.type("0.3")
    visit.page.keyboard.press("Control+z")
    visit.page.keyboard.press("Escape")
    stands_at(visit, "pruning ratio", "0.8")
    visit.expect(visit.page.get_by_role("button", name="Redo", exact=True)).to_be_disabled()


def test_a_run_is_named_pinned_and_compared(visit):
    page = visit.page
    visit.look("History")
    page.locator(".wb-runs .wb-run").nth(1).wait_for()
    page.locator(".wb-runs .wb-run").last.click()
    page.get_by_label("Name", exact=True).fill("the first one")
    page.get_by_label("Name", exact=True).press("Enter")
    page.locator(".wb-runs .wb-run", has_text="the first one").wait_for()
    page.get_by_role("button", name="Pin as reference").click()
    page.locator(".wb-tile .wb-against", has_text="the pinned run").first.wait_for()
    page.locator(".legend text", has_text="pinned: the first one").wait_for()
    page.locator(".wb-history td", has_text="file size").wait_for()


def test_the_link_in_the_address_bar_restores_the_page(visit, browser):
    page = visit.page
    page.wait_for_function("() => new URL(location.href).searchParams.has('s')", timeout=PATIENCE_MS)
    page.wait_for_timeout(2000)
    again = Visit(browser, page.url).measured(PATIENCE_MS)
    stands_at(again, "pruning ratio", "0.8")
    again.page.locator(".wb-tile .wb-against", has_text="the pinned run").first.wait_for()
    assert again.page.locator(".wb-runs").is_visible(), "the same view"
    assert again.page.get_by_role("button", name="Undo", exact=True).is_disabled(), "nothing was done yet"
    assert again.errors == []
    again.close()


@pytest.mark.slow
def test_what_was_wished_for_comes_back_too(visit, browser):
    page = visit.page
    visit.look("Say the budget")
    page.get_by_label("Size of the file, at most (kB)").fill("30")
    page.get_by_label("Size of the file, at most (kB)").press("Tab")
    visit.look("Ask for advice")
    page.get_by_label("What is it for?").select_option(label="a faster network")
    page.wait_for_timeout(2000)
    again = Visit(browser, page.url).measured(PATIENCE_MS)
    visit.expect(again.page.get_by_label("What is it for?")).to_have_value("a faster network")
    again.look("Say the budget")
    visit.expect(again.page.get_by_label("Size of the file, at most (kB)")).to_have_value("30")
    assert again.errors == []
    again.close()
    page.get_by_role("button", name="Undo", exact=True).click()
    visit.expect(page.get_by_label("What is it for?")).to_have_value("a smaller file")
    visit.look("History")


@pytest.mark.slow
def test_a_lesson_link_makes_a_page_whose_controls_are_off(visit, browser):
    page = visit.page
    visit.type("pruning ratio", 0.8)
    page.get_by_role("button", name="Make a lesson link").click()
    page.get_by_label("Off: Data").check()
    page.get_by_label("Off: Knob “pruning ratio”").check()
    page.get_by_label("Hidden: Steps and their order").check()
    page.get_by_label("Reason").fill("today we look at one network")
    page.get_by_label("Reason").press("Tab")
    copy = page.get_by_role("button", name="Copy lesson link")
    visit.expect(copy).to_be_enabled(timeout=PATIENCE_MS)
    page.wait_for_timeout(1000)
    copy.click()
    link = page.locator(".wb-lesson pre").inner_text()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?s=[\w-]+", link)

    student = Visit(browser, link).measured(PATIENCE_MS)
    slider = student.slider("pruning ratio")
    assert slider.evaluate("(handle) => Boolean(handle.closest('[inert]'))")
    before = slider.get_attribute("aria-valuetext")
    slider.evaluate("(handle) => handle.focus()")
    student.page.keyboard.press("ArrowRight")
    assert student.page.evaluate("() => document.activeElement.closest('[inert]')") is None
    assert slider.get_attribute("aria-valuetext") == before
    assert student.page.get_by_label("1. Data").evaluate("(menu) => Boolean(menu.closest('[inert]'))")
    assert not student.page.get_by_label("2. Network").evaluate("(menu) => Boolean(menu.closest('[inert]'))")
    student.page.locator("text=Stays at 0.8 in this lesson: today we look at one network").wait_for()
    assert student.page.get_by_role("button", name="Add step").is_hidden()
    assert student.page.get_by_role("button", name="Make a lesson link").is_hidden()
    assert student.errors == []
    student.close()


@pytest.mark.slow
def test_a_damaged_link_is_one_sentence_and_the_usual_page(shared, browser):
    other = Visit(browser, shared.url + "?s=AAAA").measured(PATIENCE_MS)
    other.page.locator(".wb-error", has_text="This link is damaged or was cut short").wait_for()
    stands_at(other, "pruning ratio", "0.5")
    assert other.errors == []
    other.close()


@pytest.mark.parametrize("width", [1280, 800])
def test_the_page_is_no_wider_than_its_window(visit, width):
    visit.page.set_viewport_size({"width": width, "height": 1000})
    visit.page.wait_for_function(f"() => document.querySelector('.wb-app').scrollWidth <= {width}")


def test_no_error_was_thrown_in_the_page(visit):
    assert visit.errors == [] and visit.page.locator(".wb-error").is_hidden()
