"""What a visitor sees and can do, on Voila in a real browser. The tests share one page, in the order of a visit."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import psutil
import pytest
from visiting import Visit

from workbench.storage import reader

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

KEEP_LOOKS = """() => {
  window.looks = [];
  const note = () => {
    const tile = document.querySelector('.wb-tile');
    const look = tile.className.replace('wb-tile wb-', '') + ' ' + tile.querySelector('b').textContent;
    if (window.looks.at(-1) !== look) window.looks.push(look);
  };
  note();
  const box = document.querySelector('.wb-tiles').closest('.wb-wide');
  new MutationObserver(note).observe(box, {childList: true, subtree: true, characterData: true});
}"""

TIME_TO_READY = """() => {
  const status = document.querySelector('.wb-status');
  window.waited = new Promise((done) => addEventListener('click', (event) => {
    new MutationObserver((_, watch) => {
      if (!status.textContent.includes('Ready')) return;
      watch.disconnect();
      done(performance.now() - event.timeStamp);
    }).observe(status, {childList: true, subtree: true, characterData: true});
  }, {once: true, capture: true}));
}"""


@pytest.fixture(scope="module")
def visit(server, browser):
    made = Visit(browser, server.url)
    yield made
    made.context.close()


def test_the_first_view_explains_itself_and_fills_with_a_curve(visit):
    page = visit.page
    page.locator(".wb-chart[data-drawn]").first.wait_for(timeout=90_000)
    assert visit.bytes < 8e6
    assert page.get_by_role("heading", name="Compression Workbench").is_visible()
    assert [label.inner_text() for label in page.locator(".wb-picker-label").all()[:3]] == [
        "1. Data",
        "2. Network",
        "3. Method",
    ]
    drawn = "() => document.querySelector('.wb-chart').querySelectorAll('.trace.scatter .point').length >= 12"
    page.wait_for_function(drawn, timeout=60_000)
    visit.ready()
    assert visit.tile().get_attribute("class") == "wb-tile wb-measured"
    assert re.search(r"\d+\.\d %\s+measured\s+95 % interval", visit.tile().inner_text())
    assert "n = 360 validation images" in visit.tile().inner_text()


def test_every_control_has_a_name(visit):
    page = visit.page
    for handle in page.locator(".noUi-handle").all():
        assert handle.get_attribute("aria-label")
    for button in page.locator("button").all():
        assert button.inner_text().strip() or not button.is_visible()
    assert page.locator(".wb-live[role=status]").count() >= 2
    assert all(chart.get_attribute("aria-label") for chart in page.locator(".wb-chart").all())


def test_a_key_on_a_slider_goes_from_estimate_to_measurement(visit):
    before = visit.tile().locator("b").inner_text()
    visit.page.evaluate(KEEP_LOOKS)
    visit.slider("pruning ratio").focus()
    for _ in range(25):
        visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_function("() => window.looks.some((look) => look.startsWith('estimate ~'))")
    visit.ready()
    visit.page.wait_for_function("() => window.looks.at(-1).startsWith('measured')")
    assert visit.readout("pruning ratio") == "0.75"
    assert visit.tile().locator("b").inner_text() != before


@pytest.mark.parametrize(
    ("typed", "got"), [("7", "got 7."), ("banana", "got banana."), ("", "got nothing.")], ids=["far", "word", "empty"]
)
def test_a_number_that_makes_no_sense_is_answered_beside_it(visit, typed, got):
    box = visit.page.get_by_label("pruning ratio, type a value")
    box.fill(typed)
    box.press("Enter")
    said = visit.page.locator(".wb-wrong:not(:empty)")
    said.wait_for()
    visit.page.wait_for_function(f"() => document.querySelector('.wb-wrong').textContent.endsWith('{got}')")
    assert said.inner_text() == f"prune.magnitude_iter: pruning ratio must be a number in [0, 0.99]; {got}"
    assert box.get_attribute("aria-invalid") == "true"
    assert visit.slider("pruning ratio").get_attribute("aria-valuetext") == "0.75"
    box.press("Escape")
    visit.expect(box).to_have_value("0.75")
    visit.expect(said).to_have_count(0)


def test_a_number_is_taken_in_another_spelling_on_leaving_the_field(visit):
    box = visit.page.get_by_label("pruning ratio, type a value")
    for typed, value in (("60 %", "0.6"), ("0,75", "0.75")):
        box.fill(typed)
        box.press("Tab")
        visit.page.wait_for_function(f"() => document.querySelector('.wb-number input').value === '{value}'")
    visit.ready()


def test_an_answer_leaves_alone_what_is_being_typed(visit):
    box = visit.page.get_by_label("pruning ratio, type a value")
    box.fill("50 %")
    box.press("Enter")
    box.fill("0,7")
    visit.page.wait_for_function(
        "() => document.querySelector('.noUi-handle').getAttribute('aria-valuetext') === '0.5'"
    )
    visit.ready()
    assert box.input_value() == "0,7"
    box.press("Escape")
    visit.expect(box).to_have_value("0.5")
    box.fill("0.75")
    box.press("Enter")
    visit.ready()


@pytest.mark.parametrize("width", [1280, 800])
def test_charts_are_as_wide_as_their_place(visit, width):
    visit.page.set_viewport_size({"width": width, "height": 1000})
    same = "() => [...document.querySelectorAll('.wb-chart')].filter((c) => c.clientWidth && c.querySelector('svg'))"
    fits = f"() => document.querySelector('.wb-app').scrollWidth <= {width} && "
    equal = ".every((c) => c.querySelector('svg.main-svg').clientWidth === c.clientWidth)"
    visit.page.wait_for_function(fits + f"({same})(){equal}")
    sizes = visit.page.evaluate(f"({same})().map((c) => c.clientWidth)")
    assert len(sizes) == 2 and max(sizes) > 0.55 * width
    visit.page.set_viewport_size({"width": 1280, "height": 1000})
    visit.page.wait_for_function(f"() => ({same})(){equal}")  # drawn anew before the next test clicks on a point


def test_a_click_on_a_point_sets_the_knobs_that_made_it(visit):
    visit.ready()
    curve = visit.page.locator(".wb-chart").first.locator(".trace.scatter").nth(2)
    box = curve.locator(".point").first.bounding_box()
    visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visit.page.wait_for_function("() => document.querySelector('.wb-number input').value === '0.99'")
    visit.ready()


def test_the_download_is_the_file_that_was_measured(visit, tmp_path):
    visit.ready()
    size = int(re.sub(r"\D", "", visit.tile(1).inner_text().split("bytes")[0].split("measured")[1]))
    with visit.page.expect_download() as waiting:
        visit.page.get_by_role("button", name="Download the file").click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    header, tensors = reader.load(path)
    assert path.suffix == ".wbz" and path.stat().st_size == size
    assert header["network"] == "lenet5" and tensors["fc1.weight"].shape == (500, 800)


def test_the_page_tells_what_to_type(visit):
    visit.page.get_by_role("button", name="Copy as command").click()
    visit.page.get_by_role("button", name="Copy as Python").click()
    shown = visit.page.locator(".wb-copy pre")
    visit.expect(shown.filter(has_text="--step prune.magnitude_iter:pruning_ratio=0.99")).to_be_visible()
    visit.expect(shown.filter(has_text="parse_step('prune.magnitude_iter")).to_be_visible()


@pytest.mark.parametrize(
    ("view", "words"), [("What was removed", "removed"), ("Layers", "bytes"), ("Where the bytes went", "Step by step")]
)
def test_a_view_that_is_opened_is_drawn(visit, view, words):
    visit.look(view)
    chart = visit.page.locator(".wb-chart:visible").nth(1)
    chart.locator("svg.main-svg").first.wait_for()
    chart.locator("svg text", has_text=words).first.wait_for()


def test_a_click_on_a_layer_selects_it_everywhere(visit):
    visit.look("Layers")
    bar = (
        visit.page.locator(".wb-chart:visible").nth(1).locator(".barlayer .trace").nth(1).locator(".point path").nth(2)
    )
    bar.click(force=True)
    visit.page.locator("text=▸ fc1").wait_for()
    visit.look("What was removed")
    visit.expect(visit.page.get_by_label("Layer", exact=True).locator("visible=true")).to_have_value("fc1")
    visit.page.locator(".gtitle", has_text="fc1").wait_for()


def test_the_order_of_the_bars_survives_redrawing(visit):
    visit.look("Where the bytes went")
    visit.type("pruning ratio", 0.6)
    visit.ready()
    labels = visit.page.locator(".wb-chart:visible").nth(1).locator(".ytick text")
    heights = {label.text_content(): label.bounding_box()["y"] for label in labels.all()}
    assert min(heights, key=heights.get) == "dense weights" and max(heights, key=heights.get) == "the file"


def test_another_method_brings_its_own_controls(visit):
    visit.pick("3. Method", "quant.kmeans_share")
    visit.slider("bits (bit)").wait_for()
    visit.expect(visit.slider("pruning ratio")).to_have_count(0)
    visit.ready()
    visit.expect(visit.page.locator(".legend text", has_text="k-means weight sharing")).to_have_count(1)


def test_what_makes_no_sense_is_said_and_the_page_lives_on(visit):
    page = visit.page
    visit.pick("3. Method", "prune.l1_filter")
    page.get_by_role("button", name="Add step").click()
    page.get_by_role("button", name=re.compile("^2. ")).wait_for()
    visit.pick("3. Method", "quant.kmeans_share")
    page.get_by_role("button", name="2. k-means weight sharing").wait_for()
    page.locator("text=Move earlier is off").wait_for()
    assert page.get_by_role("button", name="Move earlier").is_disabled()
    page.get_by_role("button", name="2. k-means weight sharing").press("Alt+ArrowUp")
    sentence = page.locator(".wb-error", has_text="codes were fitted to the full layer")
    sentence.wait_for()
    page.get_by_role("button", name="Dismiss").click()
    sentence.wait_for(state="hidden")
    page.get_by_role("button", name="Remove step").click()
    visit.slider("pruning ratio").wait_for()
    page.locator(".wb-tile.wb-measured").first.wait_for()


def test_what_is_off_says_why(visit):
    visit.pick("2. Network", "lenet_300_100")
    option = visit.page.locator("option[value='prune.l1_filter']")
    visit.page.wait_for_function("() => document.querySelector(\"option[value='prune.l1_filter']\").disabled")
    assert "conv" in option.inner_text() and "off:" in option.inner_text()
    visit.page.locator(".wb-problem", has_text="cannot be used on lenet_300_100").wait_for()
    error = visit.page.locator(".wb-error")
    assert error.is_hidden(), error.inner_text()
    visit.pick("2. Network", "lenet5")
    visit.pick("3. Method", "prune.magnitude_iter")
    visit.slider("pruning ratio").wait_for()
    visit.ready()


def test_a_choice_that_is_not_on_offer_is_refused(visit):
    visit.page.evaluate("""() => {
      const select = [...document.querySelectorAll('.wb-picker select')][2];
      select.add(new Option('x', '__import__("os")'));
      select.value = '__import__("os")';
      select.dispatchEvent(new Event('change'));
    }""")
    visit.page.locator(".wb-error", has_text="to pick here").wait_for()
    assert visit.page.get_by_label("3. Method").input_value() == "prune.magnitude_iter"
    visit.page.get_by_role("button", name="Dismiss").click()


def test_cancel_stops_a_long_job_within_a_second(visit):
    visit.type("epochs", 50)
    page = visit.page
    page.locator(".wb-status", has_text="epoch").wait_for()
    page.evaluate(TIME_TO_READY)
    page.get_by_role("button", name="Cancel").click()
    assert page.evaluate("window.waited") < 1000
    visit.ready()
    visit.type("epochs", 0)
    visit.ready()


def test_sensitivity_grows_into_lines_and_a_heat_map(visit):
    visit.look("Which layer minds most")
    visit.page.get_by_role("button", name="Measure sensitivity").click()
    visit.page.locator(".wb-status", has_text="Working").wait_for()
    visit.ready()
    lines, cells = (visit.page.locator(".wb-chart:visible").nth(i) for i in (1, 2))
    visit.expect(lines.locator(".trace.scatter")).to_have_count(5)
    visit.expect(cells.locator(".heatmaplayer image")).to_have_count(1)


def test_both_networks_are_explained(visit):
    visit.look("What the network looks at")
    visit.page.get_by_role("button", name="Explain this image").click()
    chart = visit.page.locator(".wb-chart:visible").nth(1)
    chart.locator("text=Compressed network").first.wait_for()
    visit.expect(chart.locator(".heatmaplayer image")).to_have_count(3)


def test_nothing_is_asked_of_other_machines(visit, server):
    away = [url for url in visit.requests if not url.startswith((server.url, "data:", "blob:"))]
    assert away == []


@pytest.mark.parametrize(
    "path", ["voila/files/app.ipynb", "voila/files/voila.json", "voila/files/a.png", "api/contents"]
)
def test_no_file_is_served(server, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(server.url + path, timeout=5)
    assert refused.value.code in (403, 404)


def test_no_error_was_thrown_in_the_page(visit):
    assert visit.errors == []


def test_a_page_whose_python_is_gone_says_so(visit, server):
    banner = visit.page.locator(".wb-banner")
    assert banner.is_hidden()
    for child in psutil.Process(server.process.pid).children(recursive=True):
        if "ipykernel" in " ".join(child.cmdline()):
            child.kill()
    banner.wait_for(state="visible", timeout=40_000)
    assert "reload the page" in banner.inner_text()
