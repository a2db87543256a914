"""Files for other programs, from the page: made by the worker while the page stays usable, and cancelled."""

from __future__ import annotations

import pytest
from visiting import Visit

from workbench.export import network_in, recipe_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def visit(shared, browser):
    made = Visit(browser, shared.url)
    made.page.set_default_timeout(120_000)
    made.page.locator(".wb-chart[data-drawn]").first.wait_for()
    made.ready()
    yield made
    made.close()


def fetched(visit, name: str, folder):
    with visit.page.expect_download() as waiting:
        visit.page.get_by_role("button", name=name, exact=True).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


@pytest.mark.parametrize(("name", "suffix"), [("Recipe (YAML)", ".yaml"), ("Recipe (JSON)", ".json")])
def test_the_recipe_reads_back(visit, tmp_path, name, suffix):
    path = fetched(visit, name, tmp_path)
    recipe = recipe_in(path)
    assert path.suffix == suffix and (recipe.network, recipe.dataset) == ("lenet5", "digits")
    assert recipe.steps[0].method == "prune.magnitude_iter" and recipe.steps[0].knobs["pruning_ratio"] == 0.5


def test_safetensors_holds_the_network(visit, tmp_path):
    path = fetched(visit, "safetensors", tmp_path)
    assert network_in(path).header["network"] == "lenet5"
    visit.page.locator(".wb-others ~ .wb-live", has_text="every weight is the same to the last bit").wait_for()


def test_onnx_answers_as_torch_does(visit, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra: compression-workbench[onnx]")
    path = fetched(visit, "ONNX", tmp_path)
    assert onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_outputs()[0].name == "scores"
    visit.page.locator(".wb-others ~ .wb-live", has_text="the same answers as torch to all 360").wait_for()


def test_the_report_is_cancelled_and_made_while_the_page_stays_usable(visit, tmp_path):
    page = visit.page
    page.get_by_role("button", name="Report (HTML)", exact=True).click()
    page.get_by_role("button", name="Making Report (HTML)").wait_for()
    page.locator(".wb-status", has_text="Working:").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Report (HTML)", exact=True).wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report (HTML)", exact=True).click()
        visit.look("Layers")  # answered while the worker is at it
        page.locator(".wb-chart:visible").nth(1).locator("svg text", has_text="bytes").first.wait_for()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    text = path.read_text()
    assert path.name.endswith("-report.html") and text.startswith("<!DOCTYPE html>")
    assert "What it cost, and whom" in text and "conv1" in text


def test_no_error_was_thrown_in_the_page(visit):
    assert visit.errors == [] and visit.page.locator(".wb-error").is_hidden()
