from __future__ import annotations

import io
import json
import logging
import re

import pytest
import structlog

from runner.logging import Console, MMLogger, print_log


def console(live=False):
    return Console(io.StringIO(), live=live)


def test_a_message_goes_to_the_console_the_file_and_as_json(tmp_path):
    screen = console()
    logger = MMLogger(log_file=tmp_path / "a" / "x.log", console=screen)
    logger.info("saved %s", "file", step=3)
    logger.debug("not written")
    logger.close()
    logger.warning("100% {}")
    line = r"\d\d/\d\d \d\d:\d\d:\d\d - runner - INFO - saved file  step=3\n.* - WARNING - 100% {}\n"
    assert re.fullmatch(line, screen.stream.getvalue())
    assert (tmp_path / "a" / "x.log").read_text() == screen.stream.getvalue()
    first, second = [json.loads(line) for line in (tmp_path / "a" / "x.jsonl").read_text().splitlines()]
    assert (first["level"], first["event"], first["step"]) == ("info", "saved file", 3)
    assert second["event"] == "100% {}"


def test_an_exception_is_written_with_its_traceback(tmp_path):
    screen = console()
    logger = MMLogger(log_file=tmp_path / "x.log", console=screen)
    try:
        int("boom")
    except ValueError:
        logger.exception("failed")
    assert "ERROR - failed\nTraceback" in screen.stream.getvalue()
    assert "boom" in json.loads((tmp_path / "x.jsonl").read_text())["exception"]


def test_other_ranks_write_errors_only_and_no_files(tmp_path):
    screen = console()
    logger = MMLogger(log_file=tmp_path / "x.log", rank=1, console=screen)
    logger.warning("no")
    logger.error("yes")
    assert "yes" in screen.stream.getvalue()
    assert "no\n" not in screen.stream.getvalue()
    assert not list(tmp_path.iterdir())


def test_levels():
    screen = console()
    logger = MMLogger(log_level="warning", console=screen)
    logger.info("a")
    logger.setLevel(logging.DEBUG)
    logger.debug("b")
    logger.log("CRITICAL", "c")
    logger.critical("d")
    assert [line[-1] for line in screen.stream.getvalue().splitlines()] == ["b", "c", "d"]
    with pytest.raises(ValueError, match="no log level 'LOUD'"):
        logger.setLevel("LOUD")


def test_a_terminal_with_a_progress_line_does_not_show_transient_messages(tmp_path):
    screen = console(live=True)
    logger = MMLogger(log_file=tmp_path / "x.log", console=screen)
    logger.info("each step", transient=True)
    logger.error("red")
    assert "each step" not in screen.stream.getvalue()
    assert "\x1b[31mERROR\x1b[0m - red" in screen.stream.getvalue()
    assert "each step" in (tmp_path / "x.log").read_text()
    assert "\x1b" not in (tmp_path / "x.log").read_text()


def test_nothing_is_configured_globally():
    MMLogger(console=console()).info("x")
    assert not structlog.is_configured()
    assert not logging.getLogger().handlers or all(
        "runner" not in type(each).__module__ for each in logging.getLogger().handlers
    )


def test_what_our_modules_say_reaches_the_current_logger():
    first, second = console(), console()
    module = logging.getLogger("runner.optim.test")
    with MMLogger(console=first).current():
        module.info("a %s", "b")
        with MMLogger(console=second, log_level="ERROR").current():
            module.info("c")
            module.error("d")
    module.info("e")
    assert first.stream.getvalue().endswith("INFO - a b\n")
    assert second.stream.getvalue().endswith("ERROR - d\n")
    assert second.stream.getvalue().count("\n") == 1
    assert logging.getLogger("runner").level == logging.NOTSET


def test_print_log(capsys, caplog):
    screen = console()
    logger = MMLogger("mine", console=screen)
    print_log("to the output")
    print_log("nowhere", "silent")
    print_log("to a logger", logger, "WARNING")
    print_log("to the standard library", "some.library", logging.ERROR)
    with logger.current():
        print_log("100% current", "current")
        print_log("by name", "mine")
    assert capsys.readouterr().out == "to the output\n"
    assert [line.split(" - ", 2)[2] for line in screen.stream.getvalue().splitlines()] == [
        "WARNING - to a logger",
        "INFO - 100% current",
        "INFO - by name",
    ]
    assert ("some.library", logging.ERROR, "to the standard library") in caplog.record_tuples
    with pytest.raises(TypeError, match="must be a logger"):
        print_log("x", 3)
