"""Voila servers on free ports, and Debian's chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from visiting import CHROMIUM, FLAGS, Server, Visit


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails says how the pages are that are open."""
    report = yield
    if report.failed and item.get_closest_marker("browser"):
        for visit in Visit.all:
            if not visit.page.is_closed():
                report.sections.append(("an open page", visit.condition()))
    return report


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """One of the file's own, with an empty store."""
    yield from _served(tmp_path_factory)


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Iterator[Server]:
    """One for all files that do not mind what others have measured: starting and measuring take the longest."""
    yield from _served(tmp_path_factory)


def _served(tmp_path_factory) -> Iterator[Server]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    made = Server(str(tmp_path_factory.mktemp("home")))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """One for each file: while it is there, an event loop runs, and tests of other files begin their own."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as tool:
        opened = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()
