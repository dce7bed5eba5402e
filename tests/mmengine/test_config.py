"""`DictAction` against MMEngine's."""

from __future__ import annotations

import argparse

import pytest

pytest.importorskip("mmengine")

from mmengine.config import DictAction as TheirAction

from runner.config import DictAction

VALUES = [
    "1",
    "0.5",
    "True",
    "false",
    "None",
    "text",
    "1,2,3",
    "[1,2]",
    "(a,b)",
    "[(1,2),[a,b],c]",
    "'q'",
    "1,",
    "a=b",
    "[[1]]",
]


@pytest.mark.parametrize("value", VALUES)
def test_the_same_value_is_read(value):
    read = []
    for action in (DictAction, TheirAction):
        parser = argparse.ArgumentParser()
        parser.add_argument("--cfg-options", nargs="+", action=action)
        read.append(parser.parse_args(["--cfg-options", f"a.b={value}", "c=1"]).cfg_options)
    assert read[0] == read[1]
