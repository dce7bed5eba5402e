"""A rank that ends for another one's sake has time for closing what it opened, and an end where that hangs."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from runner import dist
from runner.cli import attended
from runner.watch import SharedFailure
from runner.watch import failure as module


class Closing:
    """Stands for what a command closes; notes the order."""

    def __init__(self, name: str, closed: list[str], first: tuple[int, str] | None = None) -> None:
        self.name, self.closed, self.first = name, closed, first

    def close(self) -> None:
        self.closed.append(self.name)

    def closing(self) -> None:
        self.closed.append(f"{self.name} stands by")


@pytest.mark.parametrize(
    ("first", "order"),
    [
        (None, ["hook", "failure", "runner"]),
        ((1, "ValueError"), ["hook", "failure stands by", "runner", "failure"]),
    ],
)
def test_the_run_is_closed_under_the_eye_of_what_heard_of_a_failure(
    first: tuple[int, str] | None, order: list[str]
) -> None:
    closed: list[str] = []
    runner, failure, hook = Closing("runner", closed), Closing("failure", closed, first), Closing("hook", closed)
    attended._close(runner, failure, [hook])  # type: ignore[arg-type]  # they are closed alike
    assert closed == order


@pytest.mark.world_size(2)
def test_closing_may_take_longer_than_ending_does_and_not_for_ever() -> None:
    ended = threading.Event()
    end: Any = os._exit
    os._exit = lambda code: ended.set()  # type: ignore[assignment]  # a thread's, which would end the test's process
    module.GRACE, module.CLOSING = 0.2, 3.0
    heard = threading.Event()
    failure = SharedFailure(heard.set, lambda: None)
    if dist.get_rank() == 1:
        failure.tell(ValueError("this rank fails"))
        failure.close()
    else:
        assert heard.wait(60)
        failure.closing()
        begun = time.monotonic()
        assert ended.wait(60)
        assert time.monotonic() - begun > 1.0
        assert failure.account() == "ends with rank 1, which failed (ValueError: this rank fails)"
    dist.barrier()
    os._exit = end
