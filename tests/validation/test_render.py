"""Problems as people and programs see them."""

from __future__ import annotations

import json

from runner.errors import Location, Problem
from runner.validation import render_json, render_text

LINES = ["x"] * 40 + ["    batchsize: 2"]
PROBLEM = Problem(
    code="unknown-key",
    path="train_dataloader.batchsize",
    message="no such key; did you mean 'batch_size'?",
    origin=Location(file="faster-rcnn.yaml", line=41, column=5, width=9),
    suggestion="batch_size",
)
PLACELESS = Problem(code="plugin-error", path="vision", message="it is broken", severity="warning")


def test_text_shows_the_line_and_underlines_the_spot():
    assert render_text([PROBLEM], {"faster-rcnn.yaml": "\n".join(LINES)}) == (
        "faster-rcnn.yaml:41:5: error[unknown-key] train_dataloader.batchsize: no such key; did you mean 'batch_size'?\n"
        "   41 |     batchsize: 2\n"
        "      |     ^^^^^^^^^\n"
    )


def test_a_problem_without_a_text_has_no_excerpt():
    assert render_text([PLACELESS], {}) == "warning[plugin-error] vision: it is broken\n"
    assert render_text([PROBLEM], {}).count("\n") == 1


def test_colour_only_when_asked():
    sources = {"faster-rcnn.yaml": "\n".join(LINES)}
    assert "\x1b[" not in render_text([PROBLEM], sources)
    assert "\x1b[31merror[unknown-key]\x1b[0m" in render_text([PROBLEM], sources, color=True)


def test_a_long_line_is_cut_around_the_spot():
    place = Location(file="a.yaml", line=1, column=5001, width=4)
    text = render_text(
        [Problem(code="c", path="p", message="m", origin=place)], {"a.yaml": "x" * 5000 + "HERE" + "y" * 5000}
    )
    _, line, carets = text.splitlines()
    assert len(line) < 200
    assert line[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_control_characters_do_not_reach_the_terminal():
    place = Location(file="a.yaml", line=1, column=1, width=1)
    text = render_text([Problem(code="c", path="p", message="m\x1b[2J", origin=place)], {"a.yaml": "a\x1b[2Jb\x07"})
    assert "\x1b" not in text
    assert "\x07" not in text


def test_json_is_plain_data():
    data = render_json([PROBLEM, PLACELESS])
    assert json.loads(json.dumps(data)) == {
        "ok": False,
        "problems": [
            {
                "code": "unknown-key",
                "severity": "error",
                "path": "train_dataloader.batchsize",
                "message": "no such key; did you mean 'batch_size'?",
                "file": "faster-rcnn.yaml",
                "line": 41,
                "column": 5,
                "suggestion": "batch_size",
            },
            {
                "code": "plugin-error",
                "severity": "warning",
                "path": "vision",
                "message": "it is broken",
                "file": None,
                "line": None,
                "column": None,
                "suggestion": None,
            },
        ],
    }


def test_warnings_alone_are_fine():
    assert render_json([PLACELESS])["ok"] is True
    assert render_json([]) == {"ok": True, "problems": []}
