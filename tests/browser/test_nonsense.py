"""What people type, open and hand over by mistake is answered where they look, and the page goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE_MS = 90_000
SCREENSHOT = Path(__file__).parents[2] / "notebooks" / "app.png"


@pytest.fixture(scope="module")
def visit(server, browser):
    made = Visit(browser, server.url).measured(PATIENCE_MS)
    yield made
    made.context.close()


def answered(visit, sentence: str) -> None:
    """The sentence stands in the window, however far somebody has scrolled; then it is dismissed."""
    box = visit.page.locator(".wb-error", has_text=sentence)
    box.wait_for()
    visit.expect(box).to_be_in_viewport(ratio=0.9)
    box.get_by_role("button", name="Dismiss").click()
    box.wait_for(state="hidden")


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("?s=garbage", "damaged or was cut short"),
        ("?s=" + "A" * 9000, "This link is too long: 9,000 characters"),
    ],
    ids=["garbage", "long"],
)
def test_a_link_that_is_none(server, browser, link, sentence):
    made = Visit(browser, server.url + link)
    made.page.set_default_timeout(PATIENCE_MS)
    made.page.locator(".wb-tile").first.wait_for()
    answered(made, sentence)
    assert made.readout("pruning ratio") == "0.5" and made.errors == []
    made.context.close()


@pytest.mark.parametrize("typed", ["1e309", "-5", "NaN", "½", "<b>7</b>", "9" * 500, "0.5.5", "   "])
def test_a_number_that_is_none_is_told_beside_its_field(visit, typed):
    box = visit.field("pruning ratio")
    box.fill(typed)
    box.press("Enter")
    visit.expect(visit.page.locator(".wb-wrong").first).to_contain_text("must be a number in [0, 0.99]; got")
    box.press("Escape")
    visit.expect(box).to_have_value("0.5")


@pytest.mark.parametrize("typed", ["abc", "1e999", "--"])
def test_a_limit_that_is_none_is_told_though_its_table_is_far_below(visit, typed):
    visit.look("History")
    field = visit.page.get_by_label("at least").first
    field.scroll_into_view_if_needed()
    field.fill(typed)
    field.press("Enter")
    answered(visit, f"A limit is a number, as 30000 or 98.5; got '{typed}'.")
    visit.page.get_by_label("at least").first.fill("")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("notes.txt", b"I am no picture", "This file is not a picture"),
        ("empty.png", b"", "This file is not a picture"),
        ("page.html", b"<script>window.ran = 1</script>", "This file is not a picture"),
        ("half.png", SCREENSHOT.read_bytes()[:3000], "This picture cannot be read: it is cut short."),
        ("large.png", b"\x89PNG" + b"0" * 6_000_000, "A picture may have at most 5 MB; this one has 6.0 MB."),
    ],
)
def test_a_file_that_is_no_picture(visit, name, data, sentence):
    visit.look("What the network looks at")
    button = visit.page.get_by_role("button", name="Use a picture of yours")
    button.scroll_into_view_if_needed()
    with visit.page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files([{"name": name, "mimeType": "image/png", "buffer": data}])
    answered(visit, sentence)
    assert visit.page.evaluate("() => window.ran") is None


def test_the_banner_of_a_page_without_python_stands_in_the_window_too(visit):
    page, banner = visit.page, visit.page.locator(".wb-banner")
    page.get_by_role("button", name="Use a picture of yours").scroll_into_view_if_needed()
    page.evaluate("() => { document.querySelector('.wb-banner').hidden = false }")
    visit.expect(banner).to_be_in_viewport(ratio=0.9)
    visit.expect(banner).to_be_hidden()  # with the next beat, since Python is there


def test_somebody_who_clicks_faster_than_anything_is_measured(visit):
    page, pick = visit.page, random.Random(1)
    views = page.locator(".wb-lower > .widget-toggle-buttons button").all_inner_texts()
    menu = page.get_by_label("3. Method")
    methods = menu.evaluate("(menu) => [...menu.options].filter((each) => !each.disabled).map((each) => each.value)")
    for i in range(40):
        if i % 4 == 0:
            menu.select_option(pick.choice(methods))
        elif i % 4 == 1:
            visit.look(pick.choice(views))
        elif i % 4 == 2:
            page.keyboard.press(pick.choice(["Control+z", "Control+Shift+z"]))
        else:
            visit.pick("2. Network", pick.choice(["lenet5", "lenet5_1998"]))
    visit.pick("2. Network", "lenet5_1998")
    visit.pick("3. Method", "prune.magnitude_iter")
    visit.slider("pruning ratio").locator("visible=true").first.wait_for()
    visit.ready()
    page.locator(".wb-tile.wb-measured").first.wait_for()
    assert page.locator(".wb-help", has_text="61,706 parameters").is_visible()
    assert visit.errors == [] and page.locator(".wb-error").is_hidden()
