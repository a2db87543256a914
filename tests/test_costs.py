"""What compression cost, and whom: statistics against scipy and published examples, records against counting."""

from __future__ import annotations

import gc
import math
import weakref

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from workbench.core.context import Batch
from workbench.core.costs import BROKEN, MENDED, OTHER
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.paired import Pairs, holm, mcnemar
from workbench.core.progress import Progress
from workbench.explain.answers import answers_of
from workbench.explain.costs import costs, costs_of

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(("lost", "gained"), [(0, 1), (3, 3), (1, 7), (12, 4), (0, 9), (150, 86), (900, 1100)])
def test_mcnemar_agrees_with_a_sign_test(lost, gained):
    exact = stats.binomtest(lost, lost + gained, 0.5).pvalue
    assert mcnemar(lost, gained, mid=False) == pytest.approx(exact, rel=1e-9)
    half = stats.binom.pmf(lost, lost + gained, 0.5) * (0.5 if lost == gained else 1)
    assert mcnemar(lost, gained) == pytest.approx(exact - half, rel=1e-9)


def test_published_examples():
    """Fagerland, Lydersen, Laake 2013 and 2014 (21 children); Altman and others 2000, table 6.2 (41 patients)."""
    children = Pairs(1, 1, 7, 12)
    assert children.p_value == pytest.approx(0.039, abs=5e-4)
    assert mcnemar(1, 7, mid=False) == pytest.approx(0.070, abs=5e-4)
    assert children.interval() == pytest.approx((0.026, 0.507), abs=5e-4)
    assert Pairs(14, 5, 0, 22).interval() == pytest.approx((-0.226, -0.011), abs=6e-4)


def test_nothing_changed_is_no_evidence():
    same = Pairs(90, 0, 0, 10)
    assert same.p_value == 1.0 and same.change == 0 and same.interval()[0] < 0 < same.interval()[1]
    assert Pairs(0, 0, 0, 0).interval() == (-1.0, 1.0)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    p = np.array([0.85, 0.06, 0.03, 0.06])
    hits = [low <= p[2] - p[1] <= high for counts in RNG.multinomial(300, p, 1500)
            for low, high in [Pairs(*map(int, counts)).interval()]]  # fmt: skip
    assert 0.93 <= np.mean(hits) <= 0.985


def test_holm_is_the_smallest_level_at_which_each_test_is_rejected():
    p = [0.01, 0.04, 0.03, 0.005, 0.5]
    adjusted = holm(p)

    def rejected(alpha):
        found = set()
        for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if p[i] > alpha / (len(p) - rank):
                break
            found.add(i)
        return found

    for i, value in enumerate(adjusted):
        assert i in rejected(value + 1e-12) and i not in rejected(value - 1e-9)
    assert holm([]) == ()


def logits(answers, classes=10, sure=4.0):
    return sure * torch.eye(classes)[torch.as_tensor(answers)]


def planted(n=1000, classes=10, spoilt=3, share=0.4):
    """All is right before; afterwards `share` of class `spoilt` is taken for the next class."""
    labels = torch.arange(n) % classes
    after = labels.clone()
    own = (labels == spoilt).nonzero()[:, 0]
    after[own[: int(share * len(own))]] = spoilt + 1
    return labels, labels.clone(), after


def test_a_small_average_that_hides_a_large_loss_is_said():
    labels, before, after = planted()
    found = costs_of(logits(before), logits(after), labels)
    assert found.pairs == Pairs(960, 40, 0, 0) and found.pairs.change == pytest.approx(-0.04)
    assert [c.label for c in found.hidden] == [3] and found.hidden[0].pairs == Pairs(60, 40, 0, 0)
    assert [tuple(cell) for cell in np.argwhere(found.sure).tolist()] == [(3, 3), (3, 4)] and found.cells == 2
    assert (found.after - found.before)[3].tolist() == [0, 0, 0, -40, 40, 0, 0, 0, 0, 0]


def test_a_loss_that_all_share_is_not_said_to_hide():
    labels = torch.arange(2000) % 10
    after = torch.where(torch.arange(2000) < 200, (labels + 1) % 10, labels)
    found = costs_of(logits(labels), logits(after), labels)
    assert found.pairs.change == pytest.approx(-0.1) and found.hidden == ()
    assert all(c.worse for c in found.classes)


def test_where_nearly_everything_is_lost_the_average_hides_nothing():
    labels = torch.arange(2000) % 10
    after = torch.where((labels == 3) | (torch.arange(2000) % 3 > 0), (labels + 1) % 10, labels)
    found = costs_of(logits(labels), logits(after), labels)
    spoilt = found.classes[3]
    assert spoilt.pairs.change == -1 and spoilt.high < found.pairs.interval()[0] and found.hidden == ()


def test_one_unlucky_image_accuses_nobody():
    labels, before, _ = planted()
    after = before.clone()
    after[3] = 4
    found = costs_of(logits(before), logits(after), labels)
    assert found.hidden == () and not any(c.worse for c in found.classes) and not found.sure.any()


def test_class_intervals_are_widened_for_their_number_and_agree_with_the_adjusted_test():
    labels, before, after = planted()
    found = costs_of(logits(before), logits(after), labels)
    assert found.level == pytest.approx(0.995)
    narrow = found.classes[3].pairs.interval()
    assert found.classes[3].low < narrow[0] < narrow[1] < found.classes[3].high
    assert found.classes[3].p_value == pytest.approx(10 * mcnemar(40, 0))
    assert [c.worse for c in found.classes] == [c.p_value < 0.05 for c in found.classes]


def test_flips_are_all_changed_answers_the_most_confident_loss_first():
    labels = torch.tensor([0, 1, 2, 3, 4])
    dense = logits([0, 0, 1, 3, 4], 5) * torch.tensor([[0.5], [1], [1], [1], [1]])
    compressed = logits([1, 1, 0, 3, 2], 5)
    found = costs_of(dense, compressed, labels, indices=torch.tensor([10, 11, 12, 13, 14]))
    assert {f.index: f.fate for f in found.flips} == {10: BROKEN, 11: MENDED, 12: OTHER, 14: BROKEN}
    assert found.flips[-1].index == 10 and [f.lost for f in found.flips] == sorted(f.lost for f in found.flips)[::-1]
    p = math.exp(2) / (math.exp(2) + 4)
    q = math.exp(4) + 4
    assert found.flips[-1].dense_says == pytest.approx(p)
    assert found.flips[-1].kept == pytest.approx(1 / q) and found.flips[-1].compressed_says == pytest.approx(1 - 4 / q)


class Counted(nn.Module):
    """A linear network that counts the images it is asked about."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.layer, self.seen = nn.Linear(4, 3), []

    def forward(self, x):
        self.seen.append(len(x))
        return self.layer(x.flatten(1))


def pair_and_batch(n=1300):
    batch = Batch(torch.randn(n, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.arange(n) % 3)
    return Counted(0).eval(), Counted(1).eval(), batch


def test_the_record_grows_to_the_whole_split_and_agrees_with_a_plain_pass():
    dense, compressed, batch = pair_and_batch()
    found = list(costs(dense, compressed, batch, split="validation"))
    assert [c.n for c in found] == [512, 1300] and found[-1].complete and not found[0].complete
    with torch.no_grad():
        plain = costs_of(dense(batch.images), compressed(batch.images), batch.labels)
    last = found[-1]
    assert last.pairs == plain.pairs and np.array_equal(last.after, plain.after)
    assert [f.index for f in last.flips] == [f.index for f in plain.flips]
    sample = {f.index for f in found[0].flips}
    assert sample < {f.index for f in last.flips} and len({i // 512 for i in sample}) == 3


def test_no_image_is_evaluated_twice_and_the_answers_go_with_the_network():
    dense, compressed, batch = pair_and_batch()
    list(costs(dense, compressed, batch, split="validation"))
    runner = answers_of(dense, batch)._runner
    before = sum(runner.seen)
    list(costs(dense, Counted(2).eval(), batch, split="validation"))
    assert sum(runner.seen) == before == 1300 + 1
    ours = weakref.ref(dense)
    del dense
    gc.collect()
    assert ours() is None


def test_cancelling_stops_between_two_passes():
    dense, compressed, batch = pair_and_batch()
    with pytest.raises(Cancelled):
        list(costs(dense, compressed, batch, split="validation", progress=Progress(cancelled=lambda: True)))


def test_images_that_do_not_fit_are_one_sentence():
    dense, compressed, batch = pair_and_batch()
    with pytest.raises(WorkbenchError, match="do not fit this network"):
        next(costs(dense, compressed, Batch(batch.images[:, :, :1], batch.labels), split="validation"))
