"""What scripts with argparse use: `DictAction`, `Config.diff`."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from runner.config import Config, DictAction


def parse(*arguments):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser.parse_args(["--cfg-options", *arguments]).cfg_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1e-3", 1e-3),
        ("true", True),
        ("None", None),
        ("a b", "a b"),
        ("'a'", "a"),
        ("", ""),
        ("1,2", [1, 2]),
        ("[1, 2]", [1, 2]),
        ("(1,)", (1,)),
        ("[]", []),
        ("[(1,2),[a,b],c]", [(1, 2), ["a", "b"], "c"]),
        ("(1,2),(3,4)", [(1, 2), (3, 4)]),
        ("a=b", "a=b"),
    ],
)
def test_values(text, value):
    assert parse(f"key={text}") == {"key": value}


def test_options_come_together():
    assert parse("a.b=1", "c=x", "--cfg-options", "d.0=2", "c=y") == {"a.b": 1, "c": "y", "d.0": 2}


@pytest.mark.parametrize(
    ("text", "message"), [("key", "write KEY=VALUE"), ("a=[1", "missing"), ("a=1)", "closes none")]
)
def test_what_is_no_option(text, message):
    with pytest.raises(argparse.ArgumentError, match=message):
        parse(text)


def test_a_script_of_openmmlab_changes_a_config():
    cfg = Config({"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}}})
    cfg.merge_from_dict(parse("optim_wrapper.optimizer.lr=0.2", "vars.sizes=[1,2]"))
    assert cfg.to_dict() == {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.2}}, "vars": {"sizes": [1, 2]}}


def test_configs_that_differ(tmp_path):
    (tmp_path / "a.yaml").write_text("vars: {a: 1, b: 2}\n")
    (tmp_path / "b.yaml").write_text("_base_: a.yaml\nvars: {b: 3}\n")
    shown = Config.diff(str(tmp_path / "a.yaml"), tmp_path / "b.yaml")
    assert shown.splitlines()[-2:] == ["-  b: 2", "+  b: 3"]
    assert Config.diff(tmp_path / "a.yaml", Config.fromfile(tmp_path / "a.yaml")) == ""


def test_argparse_is_imported_by_those_who_ask():
    script = "import sys; from runner.config import Config; assert 'argparse' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
