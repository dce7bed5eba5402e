"""What a connection or a lock of the user's own says is not taken for what another rank does."""

from __future__ import annotations

import pytest

from runner.cli.failure import lost_connection, report, waited_in_vain


def test_a_connection_of_the_users_is_shown_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ConnectionError("Connection closed by peer")) == 3
    assert "ConnectionError: Connection closed by peer" in capsys.readouterr().err


def test_what_gloo_says_is_of_another_rank(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(RuntimeError("[pair.cc:534] Connection closed by peer [127.0.0.1]:2093")) == 3
    assert "lost its connection to another rank" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "of_a_rank"), [(RuntimeError, True), (TimeoutError, False)])
def test_whose_waiting_was_in_vain(kind: type[Exception], of_a_rank: bool) -> None:
    error = kind("Timed out waiting 1800000ms for recv operation to complete")
    assert waited_in_vain(error) is of_a_rank
    assert not lost_connection(error)
