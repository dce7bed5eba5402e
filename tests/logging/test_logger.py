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


@pytest.mark.parametrize(("mode", "kept"), [("w", ["new", "later"]), ("a", ["old", "new", "later"])])
@pytest.mark.parametrize("handler", [None, {"type": "FileHandler", "mode": "?"}], ids=["ours", "handler"])
def test_a_file_is_begun_anew_or_continued(tmp_path, mode, kept, handler):
    if handler:
        handler = {**handler, "mode": mode}
    old, new = (
        MMLogger(log_file=tmp_path / "x.log", file_mode=each, file_handler_cfg=handler, console=console())
        for each in ("a", mode)
    )
    if not handler or mode == "a":
        old.info("old")
        old.close()
    else:
        (tmp_path / "x.log").write_text("old\n")
    new.info("new")
    new.close()
    new.info("later")
    new.close()
    assert [line.rpartition(" ")[2] for line in (tmp_path / "x.log").read_text().splitlines()] == kept


def test_files_turn_over_at_a_size(tmp_path):
    cfg = {"type": "RotatingFileHandler", "maxBytes": 200, "backupCount": 1}
    logger = MMLogger(log_file=tmp_path / "x.log", file_handler_cfg=cfg, console=console())
    for number in range(20):
        logger.info("message %d", number)
    logger.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jsonl", "x.jsonl.1", "x.log", "x.log.1"]
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())
    assert json.loads((tmp_path / "x.jsonl").read_text().splitlines()[-1])["event"] == "message 19"
    with pytest.raises(ValueError, match="type must be one of FileHandler, Rotating"):
        MMLogger(log_file=tmp_path / "x.log", file_handler_cfg={"type": "SocketHandler"})


@pytest.mark.world_size(2)
@pytest.mark.parametrize("options", [{"distributed": True}, {"log_level": "DEBUG"}], ids=str)
def test_each_process_may_have_a_file_of_its_own(tmp_path, options):
    from runner.dist import barrier, get_rank

    logger = MMLogger(log_file=tmp_path / "x.log", console=console(), **options)
    logger.info("from %d", get_rank())
    logger.close()
    barrier()
    for rank in range(2):
        (text,) = tmp_path.glob(f"x_*@*_device{rank}_rank{rank}.log")
        assert text.read_text().endswith(f"from {rank}\n")
        assert text.with_suffix(".jsonl").exists()
    assert ("from" in logger.console.stream.getvalue()) == (get_rank() == 0)


def test_a_logger_is_found_by_its_name(capsys, monkeypatch):
    monkeypatch.setattr(MMLogger, "_named", {})
    logger = MMLogger.get_instance("found-by-name", logger_name="mine")
    assert MMLogger.get_instance("found-by-name") is logger
    assert MMLogger.check_instance_created("found-by-name")
    assert not MMLogger.check_instance_created("nobody")
    print_log("hello", logger="found-by-name")
    assert capsys.readouterr().out.endswith("mine - INFO - hello\n")
    assert MMLogger.get_current_instance() is logger
    with MMLogger("a run", console=console()).current() as current:
        assert MMLogger.get_current_instance() is current
        assert MMLogger.get_instance("a run") is current
    assert not MMLogger.check_instance_created("a run")
    with pytest.raises(TypeError, match="name must be a string"):
        MMLogger.get_instance(3)
