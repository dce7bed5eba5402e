"""`runner diff`: what differs between two configs, and where it was written."""

from __future__ import annotations

import json

import pytest

SECRET = "s3cret"

BASE = """\
vars: {width: 24, token: "${env:DIFF_TEST_TOKEN}"}
model: {type: ToyNet, width: "${vars.width}", key: "${vars.token}"}
optim_wrapper: {optimizer: {type: SGD, lr: 0.1, momentum: 0.9}}
param_scheduler:
  - {type: LinearLR, end: 5}
  - {type: StepLR, step_size: 3}
"""
CHILD = """\
_base_: base.yaml
vars: {width: 32}
optim_wrapper:
  optimizer: {_delete_: true, lr: 1, type: SGD}
param_scheduler: [{type: LinearLR, end: 6}]
work_dir: out
"""


WHOLE = """\
vars.width
  - 24  # base.yaml:1:15
  + 32  # child.yaml:2:15
model.width
  - 24  # base.yaml:2:30, from base.yaml:1:15
  + 32  # base.yaml:2:30, from child.yaml:2:15
optim_wrapper.optimizer.lr
  - 0.1  # base.yaml:3:44
  + 1  # child.yaml:4:35
optim_wrapper.optimizer.momentum
  - 0.9  # base.yaml:3:59
param_scheduler.0.end
  - 5  # base.yaml:5:27
  + 6  # child.yaml:5:41
param_scheduler.1
  - {"type": "StepLR", "step_size": 3}  # base.yaml:6:5
work_dir
  + "out"  # child.yaml:6:11
"""


@pytest.fixture
def diff(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFF_TEST_TOKEN", SECRET)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)

    def call(*arguments, **texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        done = cli("diff", *arguments)
        assert SECRET not in done.out + done.err
        return done

    return call


def test_by_path_with_both_origins(diff):
    done = diff("base.yaml", "child.yaml")
    assert done.code == 0
    assert done.out == WHOLE


def test_as_json(diff):
    shown = json.loads(diff("child.yaml", "base.yaml", "--format", "json", "-o", "vars.width=8").out)
    assert shown["equal"] is False
    found = {row["path"]: row for row in shown["differences"]}
    assert set(found) == {
        "optim_wrapper.optimizer.lr",
        "optim_wrapper.optimizer.momentum",
        "param_scheduler.0.end",
        "param_scheduler.1",
        "work_dir",
    }
    assert found["work_dir"] == {
        "path": "work_dir",
        "a": {
            "value": "out",
            "origin": "child.yaml:6:11",
            "kind": "file",
            "file": "child.yaml",
            "line": 6,
            "column": 11,
        },
        "b": None,
    }


def test_equal_configs(diff):
    done = diff("base.yaml", "other.yaml", "--exit-code", other=f"# reordered\n{BASE}".replace("3}", "3,}"))
    assert (done.code, done.out) == (0, "base.yaml and other.yaml: no differences\n")
    shown = json.loads(diff("base.yaml", "base.yaml", "--format", "json").out)
    assert shown == {"equal": True, "differences": []}


def test_the_exit_code_on_demand(diff):
    assert diff("base.yaml", "child.yaml", "--exit-code").code == 1
    assert diff("base.yaml", "child.yaml").code == 0


def test_changes_apply_to_both(diff):
    options = ["-o", "vars.width=8", "--unset", "optim_wrapper", "-o", "param_scheduler=[]", "-o", "work_dir=a"]
    assert diff("base.yaml", "child.yaml", *options).out == "base.yaml and child.yaml: no differences\n"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1", "1.0", False),
        ("true", "1", False),
        (".nan", ".nan", True),
        ("0x10", "16", True),
        ("{b: 1, a: 2}", "{a: 2, b: 1}", True),
        ("[1, 2]", "[2, 1]", False),
        ("[]", "{}", False),
        ("null", "[]", False),
        ("${env:DIFF_TEST_TOKEN}", "${env:DIFF_TEST_TOKEN}", True),
        ("${env:DIFF_TEST_TOKEN}", "set", False),
        ("${env:DIFF_TEST_TOKEN}", "$${env:DIFF_TEST_TOKEN}", False),
        ("${env:DIFF_TEST_NONE,5}", "5", False),
        ("x-${env:DIFF_TEST_TOKEN}", "x-${env:DIFF_TEST_TOKEN,5}", False),
    ],
)
def test_what_is_equal(diff, monkeypatch, one, other, equal):
    texts = {"a": f"vars:\n  x: {one}\n", "b": f"vars:\n  x: {other}\n"}
    monkeypatch.setenv("DIFF_TEST_TOKEN", "set")
    done = diff("a.yaml", "b.yaml", "--format", "json", **texts)
    assert json.loads(done.out)["equal"] == equal


def test_what_the_environment_holds_is_not_said(diff):
    text = "vars: {a: '${env:DIFF_TEST_TOKEN}', b: ['x-${vars.a}'], c: {d: '${vars.b}'}}\n"
    done = diff("base.yaml", "a.yaml", a=text)
    assert '  + ["x-${env:DIFF_TEST_TOKEN}"]' in done.out
    assert '"d": ["x-${env:DIFF_TEST_TOKEN}"]' in done.out


def test_a_config_that_can_not_be_read_is_refused(diff):
    done = diff("base.yaml", "broken.yaml", broken="model: ${nowhere}\n")
    assert (done.code, done.out) == (1, "")
    assert "broken.yaml:1:8: error[missing-variable]" in done.err
    assert diff("base.yaml", "a=1").code == 2
    assert diff("base.yaml").code == 2
