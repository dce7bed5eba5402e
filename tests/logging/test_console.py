from __future__ import annotations

import io

from runner.logging import Console
from runner.logging.console import ProgressLine, summary

ERASE = "\r\x1b[2K"


def test_lines_stand_above_the_one_that_is_redrawn():
    console = Console(io.StringIO(), live=True)
    console.draw("1 of 2")
    console.write("message")
    console.draw("2 of 2")
    console.keep()
    console.write("done")
    assert console.stream.getvalue() == f"{ERASE}1 of 2{ERASE}message\n1 of 2{ERASE}2 of 2\ndone\n"


def test_a_line_is_cut_to_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "5")
    console = Console(io.StringIO(), live=True)
    console.draw("123456")
    console.clear()
    assert console.stream.getvalue() == f"{ERASE}1234{ERASE}"


def test_nothing_is_redrawn_elsewhere(capsys):
    console = Console()
    console.draw("x")
    console.keep()
    console.write("plain")
    assert capsys.readouterr().out == "plain\n"


def test_the_progress_line_shows_what_people_look_at():
    console = Console(io.StringIO(), live=True)
    progress = ProgressLine(console, interval=1)
    assert progress.due(10.0)
    assert not progress.due(10.5)
    assert progress.due(11.0)
    values = {"train/loss": 0.25, "lr": 0.01, "time": 0.5, "data_time": 0.125, "memory": 300, "acc": 1.0}
    progress.draw("Epoch 1/2", 5, 10, 61.0, values)
    assert (
        console.stream.getvalue().removeprefix(ERASE)
        == ("Epoch 1/2 [==========          ]  5/10  loss 0.2500  lr 1.00e-02  0.500 s/step  data 0.125 s"[:79])
    )
    progress.draw("Iter", 5, None, None, values)
    assert console.stream.getvalue().endswith("Iter 5  loss 0.2500  lr 1.00e-02  0.500 s/step  data 0.125 s  300 MiB")


def test_a_summary_is_aligned():
    assert summary("Done", {"a": "1", "long": "2"}) == "Done\n  a     1\n  long  2"
