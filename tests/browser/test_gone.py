"""A page whose Python has died says so soon, and one click brings everything back from its address."""

from __future__ import annotations

import time

import psutil
import pytest
from visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_a_killed_kernel_is_said_and_reload_brings_the_choice_back(server, browser):
    visit = Visit(browser, server.url)
    page = visit.page
    page.set_default_timeout(90_000)
    page.locator(".wb-chart[data-drawn]").first.wait_for()
    visit.type("pruning ratio", 0.8)
    page.wait_for_function("() => location.search.includes('s=')")
    visit.ready()
    number = visit.tile().locator("b").inner_text()
    banner = page.locator(".wb-banner")
    assert banner.is_hidden()
    kernels = [
        k for k in psutil.Process(server.process.pid).children(recursive=True) if "ipykernel" in str(k.cmdline())
    ]
    assert len(kernels) == 1
    kernels[0].kill()
    began = time.monotonic()
    banner.wait_for(state="visible", timeout=10_000)
    assert time.monotonic() - began < 10
    banner.get_by_role("button", name="Reload").click()
    page.locator(".wb-chart[data-drawn]").first.wait_for()
    visit.expect(visit.field("pruning ratio")).to_have_value("0.8")
    visit.ready()
    assert visit.tile().locator("b").inner_text() == number and page.locator(".wb-banner").is_hidden()
    visit.context.close()
