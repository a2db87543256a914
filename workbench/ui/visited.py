"""What a kernel that Voila started does for its visitor: wait, share the cores, make nothing on their behalf."""

from __future__ import annotations

import os
import time

TRIES = 20


def share_of_threads() -> int:
    """How many threads torch may have: what the server says for each of its pages, else two."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(given)) if given.isdigit() else 2


def waited_for() -> str:
    """The query string of the visitor, once there is one. Voila gives up when a busy server does not answer in 5 s."""
    from voila.utils import wait_for_request

    for _ in range(TRIES):
        wait_for_request()
        if "QUERY_STRING" in os.environ:
            break
        time.sleep(1)
    return os.environ.get("QUERY_STRING", "")


def make_nothing_for_the_page() -> None:
    """From now on a page cannot have widgets made: all of them come from here, and each would stay in memory."""
    from comm import get_comm_manager

    targets = getattr(get_comm_manager(), "targets", {})
    targets.pop("jupyter.widget", None)
