"""What each step of a recipe cost in accuracy: plain data that grows while it is measured."""

from __future__ import annotations

from dataclasses import dataclass

from .records import Accuracy


@dataclass(frozen=True)
class AfterStep:
    """step: its spelling. accuracy: after it, before anything was written; None while it was not looked at."""

    step: str
    accuracy: Accuracy | None = None


@dataclass(frozen=True)
class Stages:
    """The dense network and what each step made of it, all on the same images in the same order.

    steps: those that ran, in order; a combination stands there as the steps that it is made of.
    """

    dense: Accuracy | None = None
    steps: tuple[AfterStep, ...] = ()
    complete: bool = False
