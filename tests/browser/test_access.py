"""For everybody: names, headings, contrast, narrow screens, both themes, and the main job by keyboard alone."""

from __future__ import annotations

import itertools

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
CONTROLS = {
    "button",
    "combobox",
    "slider",
    "textbox",
    "checkbox",
    "radio",
    "link",
    "spinbutton",
    "listbox",
    "searchbox",
}
PATIENCE_MS = 120_000

FAINT_WORDS = """() => {
  const numbers = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, under) => {
    const [r, g, b, a = 1] = top;
    return [r, g, b].map((c, i) => a * c + (1 - a) * under[i]);
  };
  const light = (c) => c.map((x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (el) => {
    if (!el) return [255, 255, 255];
    const own = numbers(getComputedStyle(el).backgroundColor);
    return own.length === 3 || own[3] === 1 ? own.slice(0, 3) : over(own, ground(el.parentElement));
  };
  const opacity = (el) => el ? Number(getComputedStyle(el).opacity) * opacity(el.parentElement) : 1;
  const found = [];
  const walker = document.createTreeWalker(document.querySelector('.wb-app'), NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const el = node.parentElement, text = node.textContent.trim();
    if (!text || el.closest('svg, option, :disabled, .wb-old, .wb-unseen, .wb-skip, script, style')) continue;
    if (!el.checkVisibility({visibilityProperty: true}) || !el.getClientRects().length) continue;
    const style = getComputedStyle(el), back = ground(el);
    const ink = numbers(style.color), a = (ink[3] ?? 1) * opacity(el);
    const [low, high] = [light(over([...ink.slice(0, 3), a], back)), light(back)].sort((x, y) => x - y);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push([text.slice(0, 40), ratio.toFixed(2), style.color, back.join()]);
  }
  return found;
}"""

WIDER = """() => [...document.querySelectorAll('.wb-app *')]
  .filter((el) => !el.closest('svg, .wb-scroll, .wb-drawing, .wb-unseen, .wb-access, pre') && el.checkVisibility())
  .filter((el) => el.getBoundingClientRect().right > innerWidth + 1)
  .map((el) => el.tagName + '.' + el.className + ' ' + el.textContent.slice(0, 30)).slice(0, 5)"""

WITHOUT_TABLE = """() => [...document.querySelectorAll('.wb-chart')]
  .filter((chart) => chart.clientWidth && chart.querySelector('.trace, .heatmaplayer image, .bars .point'))
  .filter((chart) => chart.querySelector(':scope > details').hidden && !chart.ariaLabel.endsWith('the same'))
  .map((chart) => chart.ariaLabel)"""

HEADINGS = """() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]
  .filter((head) => head.checkVisibility()).map((head) => [head.tagName[1], head.textContent])"""

FOCUSED = """() => {
  const el = document.activeElement;
  if (!el || el === document.body) return null;
  const label = el.ariaLabel || [...(el.labels || [])].map((l) => l.textContent).join(' ') || el.textContent;
  const style = getComputedStyle(el), hidden = !el.checkVisibility();
  const seen = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none';
  return {name: label.trim(), tag: el.tagName, seen, hidden};
}"""


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url)
    made.page.set_default_timeout(PATIENCE_MS)
    made.page.locator(".wb-chart[data-drawn]").first.wait_for()
    made.ready()
    yield made
    made.close()


def views(visit) -> list[str]:
    return visit.page.locator(".wb-lower > .widget-toggle-buttons button").all_inner_texts()


def tree(visit) -> list[tuple[str, str, dict]]:
    """(role, name, properties) of everything that assistive technology is told of."""
    session = visit.context.new_cdp_session(visit.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", "").strip(),
            {each["name"]: each["value"].get("value") for each in node.get("properties", [])},
        )
        for node in nodes
        if not node.get("ignored") and "role" in node
    ]


def nameless(visit) -> list[str]:
    page = visit.page
    page.wait_for_timeout(200)  # names follow what was drawn within 50 ms
    return [f"{role} {props}" for role, name, props in tree(visit) if role in CONTROLS and not name]


def jumps(visit) -> list[tuple[int, int, str]]:
    """Headings that are more than one level below the one before."""
    levels = [(int(level), name) for level, name in visit.page.evaluate(HEADINGS)]
    assert levels[0] == (1, "Compression Workbench") and sum(level == 1 for level, _ in levels) == 1
    return [(a, b, name) for (a, _), (b, name) in itertools.pairwise(levels) if b > a + 1]


def theme(visit, name: str) -> None:
    visit.page.get_by_label("Colours").select_option(name)
    visit.page.wait_for_function("() => document.documentElement.dataset.wbTheme !== undefined")


def test_every_view_has_names_headings_tables_and_contrast_in_both_themes(visit):
    wrong: dict[str, object] = {}
    for view in views(visit):
        visit.look(view)
        visit.page.wait_for_timeout(400)
        visit.ready()
        for what, found in (("names", nameless(visit)), ("headings", jumps(visit))):
            if found:
                wrong[f"{view}: {what}"] = found
        if found := visit.page.evaluate(WITHOUT_TABLE):
            wrong[f"{view}: tables"] = found
        for colours in ("dark", "light"):
            theme(visit, colours)
            if found := visit.page.evaluate(FAINT_WORDS):
                wrong[f"{view}: {colours}"] = found
    assert wrong == {}


def test_a_planted_fault_is_seen(visit):
    page = visit.page
    page.evaluate("""() => document.querySelector('.wb-app').insertAdjacentHTML('beforeend',
      '<div id="planted"><button></button><p style="color: #999; background: #fff">pale</p><h4>deep</h4>' +
      '<div style="width: 2000px">wide</div></div>')""")
    found = nameless(visit), jumps(visit), page.evaluate(WIDER), page.evaluate(FAINT_WORDS)
    page.evaluate("() => document.getElementById('planted').remove()")
    assert all(found) and ["pale", "2.85"] in [faint[:2] for faint in found[3]]


@pytest.mark.parametrize("width", [pytest.param(800, marks=pytest.mark.slow), 390])
def test_no_view_is_wider_than_the_window(visit, width):
    visit.page.set_viewport_size({"width": width, "height": 900})
    wrong = {}
    for view in views(visit):
        visit.look(view)
        visit.page.wait_for_timeout(300)
        if found := visit.page.evaluate(WIDER):
            wrong[view] = found
    visit.page.set_viewport_size({"width": 1280, "height": 1000})
    assert wrong == {}


def test_the_theme_follows_the_system_until_somebody_picks_one(visit):
    page = visit.page
    paper = "() => getComputedStyle(document.body).backgroundColor"
    chart = "() => document.querySelector('.wb-chart svg.main-svg').style.background"
    drawn = lambda colour: page.wait_for_function(f"() => ({chart})() === '{colour}'")  # noqa: E731
    theme(visit, "system")
    page.emulate_media(color_scheme="dark")
    drawn("rgb(24, 27, 32)")
    assert page.evaluate(paper) == "rgb(24, 27, 32)"
    fills = page.locator(".wb-chart").first.locator(".point").evaluate_all("(all) => all.map((p) => p.style.fill)")
    assert "rgb(58, 160, 232)" in fills and "rgb(0, 114, 178)" not in fills
    theme(visit, "light")
    drawn("rgb(255, 255, 255)")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    theme(visit, "system")
    page.emulate_media(color_scheme="light")
    drawn("rgb(255, 255, 255)")
    theme(visit, "dark")
    drawn("rgb(24, 27, 32)")
    assert page.evaluate("() => localStorage.getItem('workbench-theme')") == "dark"
    theme(visit, "system")


def test_the_voice_speaks_once_the_numbers_rest(visit):
    page = visit.page
    page.evaluate("""() => {
      window.spoken = [];
      new MutationObserver(() => window.spoken.push(document.querySelector('.wb-voice').textContent))
        .observe(document.querySelector('.wb-voice'), {childList: true});
    }""")
    visit.slider("pruning ratio").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => window.spoken.some((s) => s.startsWith('Measured: accuracy') && s.endsWith('Ready.'))"
    )
    assert page.evaluate("() => window.spoken.length") <= 8
    assert page.locator(".wb-voice").get_attribute("role") == "status"


def test_a_table_says_what_the_curve_shows(visit):
    chart = visit.page.locator(".wb-chart").first
    chart.get_by_text("Show as table").click()
    rows = chart.locator("tbody tr, table tr")
    assert rows.first.inner_text().split("\t")[:3] == ["recipe", "kind", "file size"]
    assert rows.nth(1).inner_text().startswith("Dense network\tmeasured")
    chart.get_by_text("Show as table").click()


class Keys:
    """Somebody without a mouse. Every stop has to be visible."""

    def __init__(self, page) -> None:
        self.page, self.unseen = page, []

    def to(self, name: str, most: int = 400) -> None:
        """Tab until something of this name has the focus."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate(FOCUSED)
            if at and (not at["seen"] or at["hidden"]):
                self.unseen.append(at)
            if at and at["name"].startswith(name):
                return
        raise AssertionError(f"Tab never came to {name!r}")

    def press(self, name: str) -> None:
        self.to(name)
        self.page.keyboard.press("Enter")


def test_the_main_job_by_keyboard_alone(visit):
    page, keys = visit.page, Keys(visit.page)
    page.evaluate("() => document.activeElement.blur()")
    keys.press("Skip to the numbers")
    assert page.evaluate("() => document.activeElement.classList.contains('wb-wide')")
    keys.to("2. Network")
    page.keyboard.type("LeNet-5 (1998")
    page.locator(".wb-help", has_text="61,706 parameters").wait_for()
    keys.to("3. Method")
    page.keyboard.type("k-means")
    visit.slider("bits (bit)").wait_for()
    keys.to("bits (bit)")
    before = visit.readout("bits (bit)")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => document.querySelector('.wb-number input').value !== '{before}'")
    keys.press("Add step")
    page.get_by_role("button", name="2. ").wait_for()
    keys.press("Remove step")
    page.get_by_role("button", name="2. ").wait_for(state="detached")
    visit.ready()
    for view in views(visit):
        keys.press(view)
        page.locator(".wb-lower > .widget-toggle-buttons button[aria-pressed=true]", has_text=view).wait_for()
        if view == "Which layer minds most":
            keys.press("Measure sensitivity")
            page.locator(".wb-chart:visible").nth(1).locator(".trace.scatter").nth(4).wait_for()
    visit.ready()
    keys.to("Download the file")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.endswith(".wbz")
    keys.to("safetensors")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.endswith(".safetensors")
    assert keys.unseen == []


def test_no_error_was_thrown_in_the_page(visit):
    assert visit.errors == [] and visit.page.locator(".wb-error").is_hidden()
