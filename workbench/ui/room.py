"""How many pages one machine holds: kernels with a limit, some of them ready before somebody comes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import traitlets as t
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from voila.request_info_handler import RequestInfoSocketHandler

from .nursery import Nursery

LEFT_S = 60
"""How long a kernel has had no page and nothing to do when its place is given to somebody else."""


class RoomFullError(Exception):
    """Every place is taken."""


class Room(AsyncMappingKernelManager):
    """Kernels for at most `seats` pages, `ready` of which are started before they are asked for.

    Voila makes its own manager from this class; with kernels ready, it has `_pools`, `fill_if_needed` and
    `kernel_pools_config`. Its own filling is switched off: it would start all of them at once, and know no limit.
    """

    seats = t.Int(16, help="kernels at most, those that are ready included").tag(config=True)
    ready = t.Int(0, help="kernels that wait for the next visitors, as far as there are seats").tag(config=True)
    fill_if_needed: Callable[..., None]  # only declared: Voila's

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)  # type: ignore[no-untyped-call] # the server's has no types
        self._coming: set[str] = set()

    @property
    def nursery(self) -> Nursery | None:
        """Where kernels are forked; None: each is a process that loads everything for itself."""
        return getattr(self.parent, "nursery", None)

    @property
    def taken(self) -> int:
        """Kernels that there are or that are just being started."""
        return len({*self.list_kernel_ids(), *self._coming})

    async def start_kernel(self, *args: Any, **kwargs: Any) -> str:  # type: ignore[override] # the server's is async too
        """As always; RoomFullError when there is no seat, and none of somebody who has left."""
        kernel_id = kwargs.pop("kernel_id", None) or str(uuid4())
        if self.taken >= self.seats and not await self._free_a_seat():
            raise RoomFullError
        self._coming.add(kernel_id)
        try:
            return str(await super().start_kernel(*args, kernel_id=kernel_id, **kwargs))
        finally:
            self._coming.discard(kernel_id)

    async def _free_a_seat(self) -> bool:
        """End the kernel that has been without a page for the longest time."""
        left = [kernel_id for kernel_id in self.list_kernel_ids() if self._idle_s(kernel_id) > LEFT_S]
        if not left:
            return False
        gone = max(left, key=self._idle_s)
        self.log.info("The room is full: kernel %s, which nobody looks at any more, makes place.", gone)
        await self.shutdown_kernel(gone, now=True)  # type: ignore[no-untyped-call] # nor has this one
        return True

    def _idle_s(self, kernel_id: str) -> float:
        """Seconds for which nobody has been there and nothing has happened; 0 for one that is ready or in use."""
        kernel: Any = self.get_kernel(kernel_id)  # the server adds attributes to it
        if self._kernel_connections.get(kernel_id) or kernel_id in self._waiting():
            return 0.0
        if getattr(kernel, "execution_state", "starting") in ("starting", "busy"):
            return 0.0
        idle: timedelta = datetime.now(UTC) - kernel.last_activity
        return idle.total_seconds()

    @property
    def _served(self) -> str:
        """The notebook, as Voila's pool calls it."""
        assert self.parent is not None, "Voila makes its manager as a part of itself"
        name: str = self.parent.notebook_path_inside
        return name

    def _pool(self) -> list[Any]:
        """Tasks that start a kernel for nobody yet; what failed or died is left out from now on."""
        pool: list[Any] = getattr(self, "_pools", {}).setdefault(self._served, [])
        pool[:] = [task for task in pool if not task.done() or self._lives(task)]
        return pool

    def _lives(self, task: Any) -> bool:
        return not (task.cancelled() or task.exception()) and task.result()["kernel_id"] in self

    def _waiting(self) -> set[str]:
        """Kernels in the pool, as far as they have been started."""
        if not hasattr(self, "_pools"):
            return set()
        return {task.result()["kernel_id"] for task in self._pool() if task.done()}

    async def one_is_ready(self) -> bool:
        """Wait for the kernels that are being made ready; whether there is one for the next visitor."""
        if pool := self._pool():
            await asyncio.wait(pool, return_when=asyncio.FIRST_COMPLETED)
        return bool(self._pool())

    def tend(self) -> None:
        """Start what is missing, no more at a time than there are cores. To be called every second or so."""
        pool = self._pool()
        starting = sum(not self._is_warm(task) for task in pool)
        begun = sum(not task.done() for task in pool)
        wanted = min(
            self.ready - len(pool), self.seats - self.taken - begun, max(1, (os.cpu_count() or 2) - 1) - starting
        )
        if wanted > 0:
            self.kernel_pools_config = {"default": {"pool_size": len(pool) + wanted}}
            self.fill_if_needed(delay=0, notebook_name=self._served)
            self.kernel_pools_config = {"default": {"pool_size": 0}}

    def _is_warm(self, task: Any) -> bool:
        """Whether its notebook has come to the line where it waits for a visitor, or to its end."""
        if not task.done():
            return False
        found = task.result()
        return found["kernel_id"] in RequestInfoSocketHandler._waiters or found["task"].done()
