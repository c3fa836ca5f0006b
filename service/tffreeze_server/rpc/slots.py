"""Slots, shared fairly by callers.

Theory of operation. Three rules, each of which a test holds for any sequence of events:

1. No caller alone has all slots: the last one that is free is not for a caller who has one already. (Where there
   is one slot in all, whoever is first may have it.)
2. A slot that may be taken is taken: nobody who may have one waits.
3. Who waits and has the fewest slots comes first; among those who have as many, whose last turn was the longest ago;
   among the calls of one caller, and of callers who had no turn yet, which waits longest.

So a caller with a thousand calls keeps another one waiting for the end of one job at most, and never where the
other has none yet. Slots that are held for a short time only do without rule 1 (`all_for_one`): a caller who is
alone then has all of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tffreeze_server.errors import FreezeError


class _Turn(NamedTuple):
    caller: str
    comes: asyncio.Future[None]


class Slots:
    """Some slots. For one event loop; nothing here waits but `take`.

    Args:
        count: How many there are.
        changed: Told after every change.
        all_for_one: Whether one caller may have all.

    Attributes:
        taken: How many each caller has.

    """

    def __init__(self, count: int, changed: Callable[[], None], *, all_for_one: bool = False) -> None:
        self.taken: Counter[str] = Counter()
        self._count = count
        self._all_for_one = all_for_one or count == 1
        self._changed = changed
        self._line: list[_Turn] = []
        self._turns = 0
        self._last_turn: dict[str, int] = {}  # of callers who wait or have slots

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    def may_take(self, caller: str) -> bool:
        """Whether there is a slot that this caller may have now."""
        free = self._count - self.taken.total()
        return free > 1 or (free == 1 and (self._all_for_one or not self.taken[caller]))

    def take_now(self, caller: str) -> bool:
        """Take a slot, if there is one that this caller may have now; `release` must follow then."""
        if not self.may_take(caller):
            return False
        self._let_in(caller)
        self._changed()
        return True

    async def take(self, caller: str) -> None:
        """Wait for a slot; `release` must follow.

        Raises:
            FreezeError: What `refuse` was given while this waited.

        """
        turn = _Turn(caller, asyncio.get_running_loop().create_future())
        self._line.append(turn)
        self._hand_out()
        try:
            await turn.comes
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def release(self, caller: str) -> None:
        """Give a slot back."""
        self.taken[caller] -= 1
        if not self.taken[caller]:
            del self.taken[caller]
        self._hand_out()
        self._forget(caller)

    def refuse(self, error: Callable[[], FreezeError]) -> None:
        """Send all away who wait."""
        line, self._line = self._line, []
        for turn in line:
            if not turn.comes.done():
                turn.comes.set_exception(error())
        self._changed()

    def _hand_out(self) -> None:
        """Let in whoever may come in, in the order of rule 3."""
        while may := [turn for turn in self._line if self.may_take(turn.caller)]:
            turn = min(may, key=self._rank)  # of those that are alike the first, who has waited longest
            self._line.remove(turn)
            if not turn.comes.done():
                self._let_in(turn.caller)
                turn.comes.set_result(None)
        self._changed()

    def _rank(self, turn: _Turn) -> tuple[int, int]:
        return self.taken[turn.caller], self._last_turn.get(turn.caller, 0)

    def _let_in(self, caller: str) -> None:
        self._turns += 1
        self._last_turn[caller] = self._turns
        self.taken[caller] += 1

    def _forget(self, caller: str) -> None:
        if not self.taken[caller] and all(turn.caller != caller for turn in self._line):
            self._last_turn.pop(caller, None)

    def _give_up(self, turn: _Turn) -> None:
        """Leave the line; give a slot back that came in the same moment."""
        if turn in self._line:
            self._line.remove(turn)
            self._hand_out()
            self._forget(turn.caller)
        elif not turn.comes.cancelled() and turn.comes.exception() is None:
            self.release(turn.caller)
