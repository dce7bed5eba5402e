"""`runner show`: what a config is, and where each value came from."""

from __future__ import annotations

import json

import pytest

SECRET = "s3cret"

CONFIG = """\
vars:
  token: ${env:CLI_TEST_TOKEN}
  place: ${env:CLI_TEST_PLACE,/data}
  both: "${vars.place}/digits"
work_dir: runs/${vars.both}
model: {type: ToyNet, broken: "no # no"}
param_scheduler:
  - {type: LinearLR, end: 5}
  - {type: StepLR, step_size: 3}
"""


@pytest.fixture
def shown(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLI_TEST_TOKEN", SECRET)
    monkeypatch.delenv("CLI_TEST_PLACE", raising=False)
    (tmp_path / "cfg.yaml").write_text(CONFIG)

    def show(*arguments):
        done = cli("show", "cfg.yaml", *arguments)
        assert SECRET not in done.out + done.err
        return done

    return show


def test_all_of_it(shown):
    text = shown().out
    assert text.startswith(
        "vars:\n  token: ${env:CLI_TEST_TOKEN} (set)\n  place: ${env:CLI_TEST_PLACE,/data} (default)\n"
    )
    assert "  - type: LinearLR\n    end: 5\n" in text.replace("\n- ", "\n  - ").replace("\n  end", "\n    end")
    assert list(json.loads(shown("--format", "json").out)) == ["vars", "work_dir", "model", "param_scheduler"]


@pytest.mark.parametrize(
    ("key", "text", "data"),
    [
        ("param_scheduler.0.end", "5\n", 5),
        ("param_scheduler.1", "type: StepLR\nstep_size: 3\n", {"type": "StepLR", "step_size": 3}),
        ("vars.token", "${env:CLI_TEST_TOKEN} (set)\n", "${env:CLI_TEST_TOKEN} (set)"),
        ("vars.place", "${env:CLI_TEST_PLACE,/data} (default)\n", "${env:CLI_TEST_PLACE,/data} (default)"),
        ("model.broken", "'no # no'\n", "no # no"),
    ],
)
def test_a_part(shown, key, text, data):
    done = shown(key)
    assert (done.code, done.out.replace('"', "'")) == (0, text)
    assert json.loads(shown(key, "--format", "json").out) == data


def test_origins(shown):
    lines = shown("--origins", "-o", "model.broken=init").out.splitlines()
    assert 'param_scheduler.1.type: "StepLR"  # cfg.yaml:9:12' in lines
    assert 'model.broken: "init"  # <command line>:1:14' in lines
    assert 'vars.token: "${env:CLI_TEST_TOKEN} (set)"  # cfg.yaml:2:10' in lines


def test_origins_of_a_part_as_json(shown):
    rows = json.loads(shown("param_scheduler.0", "--origins", "--format", "json", "--cfg-options", "a=1").out)
    assert rows == [
        {
            "path": f"param_scheduler.0.{name}",
            "value": value,
            "origin": f"cfg.yaml:8:{column}",
            "kind": "file",
            "file": "cfg.yaml",
            "line": 8,
            "column": column,
        }
        for name, value, column in (("type", "LinearLR", 12), ("end", 5, 27))
    ]
    (row,) = json.loads(shown("vars.token", "--origins", "--format", "json").out)
    assert (row["kind"], row["line"]) == ("environment", 2)
    (row,) = json.loads(shown("model.type", "--origins", "--format", "json", "-o", "model.type=B").out)
    assert (row["kind"], row["file"], row["value"]) == ("override", "<command line>", "B")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("modle", "modle: there is no 'modle' here; did you mean 'model'?"),
        ("model.typ", "model.typ: there is no 'typ' here; did you mean 'type'?"),
        ("param_scheduler.2", "param_scheduler.2: there is no '2' in a list of 2 items"),
        ("model.broken=1", "'model.broken=1' is no key; write an override as `-o model.broken=1`"),
    ],
)
def test_no_such_part(shown, key, says):
    done = shown(key)
    assert (done.code, done.out) == (2, "")
    assert says in " ".join(done.err.split())


def test_overrides_and_unset(shown):
    done = shown(
        "param_scheduler",
        "--cfg-options",
        "param_scheduler.0.end=7",
        "param_scheduler.0.begin=2",
        "--unset",
        "param_scheduler.1",
        "--format",
        "json",
    )
    assert json.loads(done.out) == [{"type": "LinearLR", "end": 7, "begin": 2}]
    done = shown("model", "--cfg-options=model.broken=x", "-o", "model.broken=y", "--format", "json")
    assert json.loads(done.out) == {"type": "ToyNet", "broken": "y"}


def test_a_config_whose_text_has_problems_is_refused(shown, tmp_path):
    (tmp_path / "cfg.yaml").write_text("model: {type: A, type: B}\n")
    done = shown()
    assert (done.code, done.out) == (1, "")
    assert "cfg.yaml:1:18: error[duplicate-key]" in done.err
    assert "    1 | model: {type: A, type: B}\n      |                  ^^^^\n" in done.err
