"""Training in the page: settings, the live curve, stop and go on, the result among the networks."""

from __future__ import annotations

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

TIME_TO_STOP = """() => {
  window.stopped = new Promise((done) => addEventListener('click', (event) => {
    const watch = setInterval(() => {
      if (!document.querySelector('.wb-app').textContent.includes('Stopped after')) return;
      clearInterval(watch);
      done(performance.now() - event.timeStamp);
    }, 5);
  }, {once: true, capture: true}));
}"""


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url)
    made.page.locator(".wb-chart[data-drawn]").first.wait_for(timeout=90_000)
    made.page.locator(".wb-status", has_text="Ready:").wait_for(timeout=90_000)
    made.look("Train a network")
    made.page.get_by_role("button", name="Train from scratch").wait_for()
    yield made
    made.close()


def curve(visit):
    return visit.page.locator(".wb-chart:visible").nth(1)


def test_networks_without_weights_are_on_offer(visit):
    visit.page.locator(".wb-chart:visible").nth(1).locator("text=Pick a network, data and settings").wait_for()
    assert visit.page.get_by_label("Network to train").locator("option[value='resnet20']").is_enabled()
    visit.pick("Network to train", "lenet_300_100")
    visit.page.locator("text=The result will be called lenet_300_100@mine").wait_for()


def test_more_settings_fold(visit):
    assert visit.slider("weight decay").is_hidden()
    visit.page.get_by_role("button", name="More settings").click()
    visit.slider("weight decay").wait_for()
    visit.page.get_by_role("button", name="Fewer settings").click()
    visit.slider("weight decay").wait_for(state="hidden")


def test_the_curve_grows_and_stopping_takes_less_than_a_second(visit):
    visit.type("training epochs", 60)
    visit.page.get_by_role("button", name="Train from scratch").click()
    curve(visit).locator("text=Best so far").wait_for(timeout=60_000)
    visit.page.evaluate(TIME_TO_STOP)
    visit.page.get_by_role("button", name="Stop training").click()
    assert visit.page.evaluate("window.stopped") < 1000
    visit.page.locator("text=it resumes at epoch").wait_for()


def test_a_training_comes_to_its_end_and_its_result_can_be_compressed(visit):
    page = visit.page
    visit.type("training epochs", 2)
    page.get_by_role("button", name="Train from scratch").click()
    page.locator("text=lenet_300_100@mine is kept:").wait_for(timeout=60_000)
    curve(visit).locator("text=Done after 2 epochs").wait_for()
    option = page.get_by_label("2. Network").locator("option[value='lenet_300_100@mine']")
    assert "LeNet-300-100 · mine, " in option.inner_text()
    page.get_by_role("button", name="Compress it above").click()
    visit.expect(page.get_by_label("2. Network")).to_have_value("lenet_300_100@mine")
    visit.measured(60_000)
    assert visit.tile().get_attribute("class") == "wb-tile wb-measured"


@pytest.mark.parametrize("width", [1280, 800])
def test_the_curve_is_as_wide_as_its_place(visit, width):
    visit.page.set_viewport_size({"width": width, "height": 1000})
    visit.page.wait_for_function(f"() => document.querySelector('.wb-app').scrollWidth <= {width}")
    assert curve(visit).bounding_box()["width"] > 0.8 * width


def test_no_error_was_thrown_in_the_page(visit):
    assert visit.errors == [] and visit.page.locator(".wb-error").is_hidden()
