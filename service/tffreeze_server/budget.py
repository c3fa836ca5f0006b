"""What a freeze may cost: one budget, in proportion to the size of its input.

A few kilobytes of model can ask for any amount of work: calls that call each other twice, keys that repeat the
key before, attributes that double. So whatever makes more of its input than stands in it asks here first.

`load` makes the budget of a freeze, and every stage draws from it. A stage that reads a file adds the file's size.
A stage that expands something draws *before* it does so, once for a body or a list, never for each byte.

- A **step** is work of about a microsecond on a plain machine, such as looking at one name. Steps are counted,
  never measured: every machine accepts the same models.
- **Bytes** are memory, about as much as Python takes for what is made. They are never given back: a budget bounds
  all that a freeze makes, and so what it holds at any time.

Reading a file is not drawn for: that is bounded by its size already.
"""

from __future__ import annotations

from tffreeze_server.errors import FreezeError, Reason

MIN_STEPS = 2_500_000
"""For an empty input; each byte adds `STEPS_PER_BYTE`."""
STEPS_PER_BYTE = 2

MIN_BYTES = 160_000_000
"""For an empty input; each byte adds `BYTES_PER_BYTE`."""
BYTES_PER_BYTE = 100


class Budget:
    """The work and memory that one freeze may still take.

    Attributes:
        input_bytes: Size of what was read: graph, index, saver, op list, string tensors.
        steps: Drawn so far.
        size_bytes: Drawn so far.

    """

    __slots__ = ("input_bytes", "max_bytes", "max_steps", "size_bytes", "steps")

    def __init__(self, input_bytes: int = 0) -> None:
        self.steps = 0
        self.size_bytes = 0
        self.input_bytes = 0
        self.add_input(input_bytes)

    def add_input(self, size_bytes: int) -> None:
        """Raise the limits by what belongs to this much more input. Add no byte of a file twice."""
        self.input_bytes += size_bytes
        self.max_steps = MIN_STEPS + STEPS_PER_BYTE * self.input_bytes
        self.max_bytes = MIN_BYTES + BYTES_PER_BYTE * self.input_bytes

    def draw(self, what: str, steps: int, size_bytes: int = 0, *, subject: str = "") -> None:
        """Take from the budget before something is expanded.

        Args:
            what: What is expanded, in the plural, for the message: `the calls of functions`.
            steps: Work, in microseconds of a plain machine.
            size_bytes: Memory.
            subject: The name of the one that is expanded now.

        Raises:
            FreezeError: MODEL_TOO_COMPLEX where the budget does not suffice.

        """
        self.steps += steps
        self.size_bytes += size_bytes
        if self.steps > self.max_steps or self.size_bytes > self.max_bytes:
            raise self._spent(what, subject)

    def _spent(self, what: str, subject: str) -> FreezeError:
        limit = (
            f"{self.max_steps:,} steps of work"
            if self.steps > self.max_steps
            else f"{self.max_bytes:,} bytes of memory"
        )
        where = f", at {subject[:200]!r}" if subject else ""
        return FreezeError(
            Reason.MODEL_TOO_COMPLEX,
            f"The model is too complex for its size: to expand {what}{where}, a freeze would need more than {limit}, "
            f"which is what {self.input_bytes:,} bytes of model and checkpoint index may take. Choose outputs that "
            "need less of it, or export the model again so that it repeats itself less.",
            subject=subject[:200],
        )
