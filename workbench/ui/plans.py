"""What a person is about to train, changed one choice at a time: every change is another Plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.knob import Value
from ..networks import free_label, split_label
from ..train.home import Plan
from .choices import Choices

FIRST = ("epochs", "learning_rate", "batch")
"""Settings that are always shown, in this order."""
TEACHING = ("temperature", "teacher_weight")
"""Settings that say nothing without a teacher."""
STEPPING = ("step_epochs", "step_factor")
"""Settings that say nothing unless the schedule is step."""
TITLES = {
    "epochs": "training epochs",
    "learning_rate": "highest learning rate",
    "batch": "images per step",
    "temperature": "teacher temperature",
    "seed": "training seed",
}
"""What is called otherwise than its setting, for no two controls of the page may have the same name."""
NOT_SHOWN = ("threads",)
"""A page's visitor does not take more of the machine than was given."""


def planned(choices: Choices, network: str, dataset: str) -> Plan:
    """The usual plan for `dataset`, with the first network that fits it when `network` does not."""
    fits: Sequence[str] = [o.id for o in choices.for_training(dataset)[0].options if not o.off]
    return Plan.usual(network if network in fits or not fits else fits[0], dataset)


def turned(plan: Plan, knob: str, value: Value) -> Plan:
    """Another setting; KnobError when the value is not allowed."""
    changed: dict[str, Any] = {knob: value}  # the settings check it
    return replace(plan, settings=replace(plan.settings, **changed))


def renamed(plan: Plan, label: str) -> Plan:
    """The result under another label; WorkbenchError when it is taken or cannot be one."""
    new = replace(plan, label=label.strip())
    new.check()
    return new


def renewed(plan: Plan) -> Plan:
    """The same plan under a label that is free now."""
    return replace(plan, label=free_label(plan.network, plan.dataset, _stem(plan.label)))


def name_of(plan: Plan) -> str:
    """What the trained network will be called."""
    return f"{split_label(plan.network)[0]}@{plan.label}"


def _stem(label: str) -> str:
    return label.rstrip("0123456789") or label
