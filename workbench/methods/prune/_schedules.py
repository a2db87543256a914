"""How the share that is gone grows from round to round."""

from __future__ import annotations

SCHEDULES = ("one_shot", "iterative", "gradual")


def share_gone(ratio: float, done: float, schedule: str = "iterative") -> float:
    """The share of all units that is gone when `done` of the rounds are over: 0 at 0, `ratio` at 1.

    iterative: each round removes the same part of what is left (Han et al. 2015). gradual: s_f - s_f (1 - t)^3, which
    is fast while much is redundant and slow at the end (Zhu and Gupta 2017, arXiv:1710.01878, with s_i = 0).
    """
    if done >= 1 or schedule == "one_shot":
        return ratio
    return float(ratio * (1 - (1 - done) ** 3) if schedule == "gradual" else 1 - (1 - ratio) ** done)
