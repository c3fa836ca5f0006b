"""Slots: no caller has all of them, none is free while somebody waits for it, the fewest come first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.admission import draining
from tffreeze_server.rpc.slots import Slots

Calls = dict[int, tuple[str, "asyncio.Task[None]"]]


def slots(count: int) -> Slots:
    """Slots that tell nobody."""
    return Slots(count, lambda: None)


async def begun(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine until it waits."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    return task


def test_who_waits_longest_comes_first() -> None:
    """Among calls of one caller, and of callers with as many slots."""

    async def scenario() -> None:
        one = slots(1)
        await one.take("a")
        first, second, third = [await begun(one.take(caller)) for caller in "bcb"]
        for caller, next_one in (("a", first), ("b", second), ("c", third)):
            assert not next_one.done()
            one.release(caller)
            await next_one
        assert {"b": 1} == one.taken

    asyncio.run(scenario())


def test_a_caller_with_many_calls_keeps_nobody_waiting() -> None:
    """The last slot is for another caller; a slot given back goes to who has the fewest."""

    async def scenario() -> None:
        four = slots(4)
        greedy = [await begun(four.take("greedy")) for _ in range(10)]
        assert 3 == sum(task.done() for task in greedy)
        await asyncio.wait_for(four.take("modest"), 10)
        late = await begun(four.take("late"))
        four.release("greedy")
        await late
        assert {"greedy": 2, "modest": 1, "late": 1} == four.taken
        for task in greedy:
            task.cancel()

    asyncio.run(scenario())


def test_one_caller_may_have_all_where_that_is_said() -> None:
    """Then none is kept for another, who comes first all the same when one is given back."""

    async def scenario() -> None:
        two = Slots(2, lambda: None, all_for_one=True)
        greedy = [await begun(two.take("greedy")) for _ in range(3)]
        assert [True, True, False] == [task.done() for task in greedy]
        modest = await begun(two.take("modest"))
        two.release("greedy")
        await asyncio.wait_for(modest, 10)
        assert {"greedy": 1, "modest": 1} == two.taken
        greedy[2].cancel()

    asyncio.run(scenario())


def test_taking_without_waiting() -> None:
    """What a caller may not have now it does not get, and nobody waits for it; all is told."""
    told: list[int] = []
    two = Slots(2, lambda: told.append(two.taken.total()))
    assert [True, False, True, False] == [two.take_now(caller) for caller in "aabb"]
    two.release("a")
    assert not two.take_now("b")
    assert two.take_now("a")
    assert (0, [1, 2, 1, 2]) == (two.waiting, told)


def test_callers_take_turns() -> None:
    """Where there is one slot, a caller with many calls in line gets every second turn, not all before another."""

    async def scenario() -> None:
        one = slots(1)
        await one.take("greedy")
        order: list[str] = []

        async def call(caller: str) -> None:
            await one.take(caller)
            order.append(caller)
            one.release(caller)

        calls = [await begun(call(caller)) for caller in ("greedy", "greedy", "greedy", "modest", "modest")]
        one.release("greedy")
        await asyncio.gather(*calls)
        assert ["modest", "greedy", "modest", "greedy", "greedy"] == order
        assert 0 == one.taken.total()

    asyncio.run(scenario())


def test_a_slot_given_to_one_who_left_goes_on() -> None:
    """A waiter cancelled in the moment of its turn passes the slot to the next."""

    async def scenario() -> None:
        one = slots(1)
        await one.take("a")
        first, second = await begun(one.take("a")), await begun(one.take("b"))
        one.release("a")
        first.cancel()
        await asyncio.wait_for(second, 10)
        assert first.cancelled()
        assert {"b": 1} == one.taken

    asyncio.run(scenario())


def test_who_waits_is_refused() -> None:
    """`refuse` empties the line; who has a slot keeps it."""

    async def scenario() -> None:
        one = slots(1)
        await one.take("a")
        waiting = await begun(one.take("b"))
        one.refuse(draining)
        with pytest.raises(FreezeError) as raised:
            await waiting
        assert Reason.DRAINING == raised.value.reason
        assert (0, {"a": 1}) == (one.waiting, one.taken)

    asyncio.run(scenario())


class Model:
    """Slots in use, and the rules held against them after every step.

    Args:
        count: How many slots there are.

    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.slots = slots(count)
        self.running: list[str] = []
        self.waiting: list[tuple[str, asyncio.Task[None]]] = []

    async def settle(self) -> None:
        """Let who was let in run, one in the order of the others, and check the rules."""
        before = Counter(self.running)
        for _ in range(3):
            await asyncio.sleep(0)
        entered = [caller for caller, task in self.waiting if task.done() and not task.cancelled()]
        self.waiting = [(caller, task) for caller, task in self.waiting if not task.done()]
        self.running += entered
        self.check()
        self.check_order(before, entered)

    def check(self) -> None:
        """Rules 1 and 2, and that nothing is lost."""
        held = Counter(self.running)
        assert held == self.slots.taken
        assert len(self.waiting) == self.slots.waiting
        assert held.total() <= self.count
        assert self.count == 1 or all(number < self.count for number in held.values())
        free = self.count - held.total()
        for caller, _ in self.waiting:
            assert free == 0 or (free == 1 and held[caller] and self.count > 1)

    def check_order(self, before: Counter[str], entered: list[str]) -> None:
        """Rule 3, for a step that let one in: nobody who still waits had fewer slots."""
        if len(entered) == 1:
            assert all(before[entered[0]] <= before[caller] for caller, _ in self.waiting)


Step = tuple[str, int]


@settings(deadline=None)
@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from("abcxyr"), st.integers(0, 5)), max_size=60))
def test_rules_hold(count: int, steps: list[Step]) -> None:
    """Whatever comes (a to c), ends (x), leaves the line (y) or ends while another leaves (r)."""

    async def scenario() -> None:
        model = Model(count)
        for what, which in steps:
            if what in "xr" and model.running:
                model.slots.release(model.running.pop(which % len(model.running)))
            if what in "yr" and model.waiting:
                model.waiting[which % len(model.waiting)][1].cancel()
            if what in "abc":
                model.waiting.append((what, asyncio.ensure_future(model.slots.take(what))))
            await model.settle()
        for _, task in model.waiting:
            task.cancel()

    asyncio.run(scenario())


def test_told_of_every_change() -> None:
    """Whoever counts hears when a slot is taken, given back, waited for and given up."""
    told: list[tuple[int, int]] = []

    async def scenario() -> None:
        tell: Callable[[], None] = lambda: told.append((one.taken.total(), one.waiting))  # noqa: E731 - no name is needed
        one = Slots(1, tell)
        await one.take("a")
        waiting = await begun(one.take("b"))
        waiting.cancel()
        await asyncio.wait([waiting])
        one.release("a")

    asyncio.run(scenario())
    assert [(1, 0), (1, 1), (1, 0), (0, 0)] == told
