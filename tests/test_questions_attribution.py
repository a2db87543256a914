"""Questions about attributions, each against the functions behind it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_explain import picture, small

from workbench.core.compressed import Compressed
from workbench.core.context import Batch, Context
from workbench.core.errors import WorkbenchError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step
from workbench.data import Dataset
from workbench.experiment.pipeline import canonical, compress
from workbench.experiment.questions import Asked
from workbench.experiment.questions.attribution import AttributionQuestion
from workbench.experiment.questions.likeness import LikenessQuestion
from workbench.experiment.questions.on_object import ObjectQuestion
from workbench.experiment.questions.trust import RandomQuestion, TrustQuestion
from workbench.explain.on_object import on_object
from workbench.explain.over_images import MOST

IMAGES = torch.stack([picture(i) for i in range(70)])
BATCH = Batch(IMAGES, torch.arange(70) % 3)
MASKS = torch.zeros(70, 12, 12, dtype=torch.bool)
MASKS[:, 3:9, 2:8] = True
RECIPE = canonical(Recipe("own/small", "own/dots", (Step("prune.l1_filter", {"pruning_ratio": 0.5}),)))


def asked(masks=MASKS):
    known = {} if masks is None else {"validation": masks}
    data = Dataset("own/dots", "Dots", ("a", "b", "c"), (1, 12, 12), BATCH, BATCH, BATCH, masks=known)
    subject = SimpleNamespace(network=small(), dataset=data, fingerprint="a test's")
    subject.context = lambda recipe, progress: Context((1, 12, 12), calibration=BATCH, progress=progress)
    return Asked(subject, RECIPE, lambda progress: compress(RECIPE, subject, progress=progress))


def last(question, about=None):
    *_, found = question.answers(about or asked(), Progress())
    return found


def test_a_class_may_be_asked_for():
    pair = last(AttributionQuestion("deep_lift", 4, target=2))
    assert (pair.target, pair.index, pair.label) == (2, 4, 1)
    assert pair.dense_balance.gap < 1e-4 and pair.compressed_balance.gap < 1e-4
    with pytest.raises(WorkbenchError, match=r"in \[0, 69\]; got 70"):
        last(AttributionQuestion("saliency", 70))


def test_trust_and_random_weights_are_about_the_same_class():
    assert last(TrustQuestion("saliency", 4, 2)).target == last(RandomQuestion("saliency", 4, 2)).target == 2
    found = last(RandomQuestion("saliency", 4))
    assert found.complete and found.index == 4 and RandomQuestion.dense


def test_likeness_is_of_validation_images_drawn_once():
    found = last(LikenessQuestion("saliency"))
    assert found.total == len(found.values) == MOST == len(set(found.images)) and max(found.images) > MOST
    assert last(LikenessQuestion("saliency")) == found


def test_the_object_is_looked_for_at_every_setting_and_its_own_value_does_not_matter():
    question = ObjectQuestion("saliency", RECIPE.steps, 0)
    heard = list(question.answers(asked(), Progress()))
    assert [len(h.points) for h in heard] == list(range(1, heard[-1].total + 1))
    curve = heard[-1]
    assert curve.knob == "pruning_ratio" and curve.area == pytest.approx(36 / 144) and curve.points[0].value is None
    point = curve.points[2]
    turned = RECIPE.with_steps(Step("prune.l1_filter", {**RECIPE.steps[0].knobs, "pruning_ratio": point.value}))
    network = compress(canonical(turned), asked().subject).network
    chosen = torch.randperm(70, generator=torch.Generator().manual_seed(0))[:32]
    expected = on_object(
        "saliency", network, IMAGES[chosen], BATCH.labels[chosen], MASKS[chosen], value=point.value, progress=Progress()
    )
    np.testing.assert_allclose(point.shares, expected.shares, atol=1e-6)
    assert point.hits == expected.hits


def test_data_without_objects_are_refused_in_one_sentence():
    with pytest.raises(WorkbenchError, match=r"^Where the object is, is not known for own/dots; it is for shapes\.$"):
        last(ObjectQuestion("saliency", RECIPE.steps, 0), asked(masks=None))


def test_questions_are_hashable_and_equal_by_what_they_ask():
    assert hash(ObjectQuestion("lrp", RECIPE.steps, 0)) == hash(ObjectQuestion("lrp", RECIPE.steps, 0))
    assert AttributionQuestion("lrp", 1) != AttributionQuestion("lrp", 1, 0)
    assert isinstance(asked().compressed(Progress()), Compressed)
