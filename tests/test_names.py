"""How a sentence names what there is to choose from."""

from __future__ import annotations

from workbench.core.names import MOST, listed


def test_few_names_are_all_told_in_their_order():
    assert listed(["b", "a", "c"]) == "b, a, c" and listed([]) == ""
    assert listed(map(str, range(MOST)), "3") == ", ".join(map(str, range(MOST)))


def test_of_many_the_likest_come_first_and_the_rest_is_counted():
    names = [f"own/number{i}" for i in range(100)] + ["lenet5", "LeNet5x"]
    said = listed(names, "lenet4")
    assert said.split(", ")[0] == "lenet5" and "LeNet5x" in said.split(", ")[1]
    assert said.endswith(f" and {len(names) - MOST} more") and said.count(",") == MOST - 1


def test_a_wish_of_any_length_is_answered():
    assert len(listed(map(str, range(10_000)), "9" * 1_000_000)) < 200
