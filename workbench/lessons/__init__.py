"""What the lessons in `notebooks/` are made of: predict, explore, check, the formula, the glossary, the contest."""

from __future__ import annotations

from .bench import Bench
from .exercises import check
from .explore import Seen, explore
from .formula import Formula, formula
from .glossary import glossary
from .page import draw, start, table
from .predict import predict

__all__ = ["Bench", "Formula", "Seen", "check", "draw", "explore", "formula", "glossary", "predict", "start", "table"]
