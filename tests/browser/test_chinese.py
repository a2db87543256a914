"""The page in Chinese, as somebody who reads it: opened by its address, used, and switched to English and back."""

from __future__ import annotations

import re

import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(500)]
PATIENCE_MS = 120_000


@pytest.fixture
def visit(shared, browser):
    made = Visit(browser, shared.url + "?lang=zh")
    made.page.set_default_timeout(PATIENCE_MS)
    made.page.locator(".wb-status", has_text="就绪").wait_for()
    yield made
    made.close()


def english_headings(page) -> list[str]:
    found = page.locator("h1:visible, h2:visible, button:visible, summary:visible, label:visible").all_inner_texts()
    return [text for text in found if re.search(r"[a-z]{3,} [a-z]{3,}", text)]


def test_a_page_in_chinese_is_used_and_goes_on_in_english(visit):
    page = visit.page
    visit.expect(page.locator("h1")).to_have_text("压缩工作台")
    visit.expect(page.locator("html")).to_have_attribute("lang", "zh")
    assert english_headings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    box = page.get_by_label("剪枝率，输入数值").locator("visible=true")
    box.click()
    box.press("Control+a")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    visit.expect(page.get_by_role("alert").filter(has_text="收到的是")).to_be_visible()
    box.press("Control+a")
    page.keyboard.type("0.8")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"lang=zh.*s=|s=.*lang=zh"))
    page.wait_for_timeout(1500)

    page.get_by_role("button", name="寻求建议", exact=True).click()
    visit.expect(page.get_by_text("目的是什么？").locator("visible=true").first).to_be_visible()
    page.wait_for_timeout(1500)
    page.get_by_label("语言").select_option("en")
    page.wait_for_url(lambda url: "lang=" not in url)
    page.locator(".wb-status", has_text="Ready:").wait_for()
    visit.expect(page.locator("h1")).to_have_text("Compression Workbench")
    visit.expect(page.locator("html")).to_have_attribute("lang", "en")
    visit.expect(visit.field("pruning ratio")).to_have_value("0.8")
    visit.expect(page.get_by_role("button", name="Ask for advice", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )

    page.get_by_label("Language").select_option("zh")
    page.locator(".wb-status", has_text="就绪").wait_for()
    visit.expect(page.get_by_label("剪枝率，输入数值").locator("visible=true")).to_have_value("0.8")
    assert visit.errors == []


def test_a_language_that_there_is_not_is_said_in_english(shared, browser):
    made = Visit(browser, shared.url + "?lang=xx")
    made.page.locator(".wb-status", has_text="Ready:").wait_for(timeout=PATIENCE_MS)
    made.expect(made.page.locator(".wb-error")).to_contain_text("There is no language 'xx' here; there are en, zh")
    made.close()
