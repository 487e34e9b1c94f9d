"""The pollers of a source: their number, and the partitions that each of them reads.

https://docs.aws.amazon.com/lambda/latest/dg/kafka-scaling-modes.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sam_offline.model import KafkaSource
from sam_offline.sources.kafka.poller import KafkaPoller, Lanes

_HANDOVER_SECONDS = 0.05
# A poller that is no longer needed is stopped after this many looks.
IDLE_LOOKS = 30


class Scaling:
    """The wanted number of pollers.

    It grows while fetching is the bottleneck and shrinks when it no longer is; it is never above the number of
    partitions.
    """

    def __init__(self, minimum: int, maximum: int) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._wanted = minimum
        self._idle_looks = 0

    def look(self, *, is_saturated: bool, partitions: int) -> int:
        """Return the wanted number of pollers after one more look at them."""
        self._idle_looks = 0 if is_saturated else self._idle_looks + 1
        if is_saturated:
            self._wanted += 1
        elif self._idle_looks >= IDLE_LOOKS:
            self._idle_looks = 0
            self._wanted -= 1
        highest = min(self._maximum, partitions)
        self._wanted = max(min(self._minimum, highest), min(self._wanted, highest))
        return self._wanted


class KafkaPollers:
    """The pollers of a source, in the event loop, from the first look to `stop`.

    A partition changes hands only when its last poller can no longer commit it: a late commit would set its offset
    back, and records would come twice.
    """

    def __init__(
        self, source: KafkaSource, create: Callable[[Callable[[KafkaPoller], None]], KafkaPoller]
    ) -> None:
        self._create = create
        self._scaling = Scaling(source.minimum_pollers, source.maximum_pollers)
        self._lanes: Lanes = {}
        self._active: list[KafkaPoller] = []
        self._leaving: list[KafkaPoller] = []
        self._handover: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._active)

    @property
    def connected(self) -> bool:
        return bool(self._active) and all(poller.connected for poller in self._active)

    def look(self, lanes: Lanes) -> None:
        """Start or stop pollers as these partitions require, and share the partitions out."""
        saturated = [poller.take_saturation() for poller in self._active]
        wanted = self._scaling.look(is_saturated=any(saturated), partitions=len(lanes))
        while len(self._active) < wanted:
            poller = self._create(self._ended)
            self._active.append(poller)
            poller.start()
        while len(self._active) > wanted:
            poller = self._active.pop()
            self._leaving.append(poller)
            poller.ask_to_stop()
        self._lanes = lanes
        self._share_out()

    async def stop(self, timeout_seconds: float) -> None:
        """Commit what is done by now, and disconnect."""
        # A partition that one poller has let go and no other has taken yet is committed, too.
        self._share_out()
        pollers = [*self._active, *self._leaving]
        self._active.clear()
        self._leaving.clear()
        for poller in pollers:
            poller.ask_to_stop()
        await asyncio.to_thread(_join, pollers, timeout_seconds)

    def _share_out(self) -> None:
        if self._handover is not None:
            self._handover.cancel()
            self._handover = None
        partitions = list(self._lanes)
        for index, poller in enumerate(self._active):
            own = partitions[index :: len(self._active)]
            others = (other for other in (*self._active, *self._leaving) if other is not poller)
            elsewhere = {partition for other in others for partition in other.held}
            poller.assign(
                {partition: self._lanes[partition] for partition in own if partition not in elsewhere}
            )
            if not elsewhere.isdisjoint(own) and self._handover is None:
                self._handover = asyncio.get_running_loop().call_later(_HANDOVER_SECONDS, self._share_out)

    def _ended(self, poller: KafkaPoller) -> None:
        if poller in self._leaving:
            self._leaving.remove(poller)
            self._share_out()
        elif poller in self._active:
            # It ended without being asked to: it is replaced at the next look.
            self._active.remove(poller)


def _join(pollers: list[KafkaPoller], timeout_seconds: float) -> None:
    for poller in pollers:
        poller.join(timeout_seconds)
