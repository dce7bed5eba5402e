"""What is wrong with a plugin is said with its distribution's name, and takes down only what needs the plugin."""

from __future__ import annotations

import json

import pytest

GOOD = """\
from runner import hookimpl

@hookimpl
def runner_register(catalog):
    catalog.metric("Score", "{package}.metrics:Score")
"""

METRICS = """\
class Score:
    \"\"\"A score.\"\"\"

    def __init__(self, scale: float = 1.0):
        pass
"""

PLAIN = """\
model: {type: SmallConvNet, num_classes: 10}
test_dataloader: {batch_size: 8, dataset: {type: Digits}, sampler: {type: DefaultSampler, shuffle: false}}
test_cfg: {}
test_evaluator:
  - {type: Accuracy}
"""
"""A config that needs none of the plugins at fault."""

WANTS = PLAIN + "  - {type: Score}\n"


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "cfg.yaml").write_text(text)
        return str(tmp_path / "cfg.yaml")

    return write


def listed(environment):
    """What `runner plugins` says: its exit code, the problems, and each plugin's error by its distribution."""
    done = environment.runner("plugins", "--format", "json")
    found = json.loads(done.stdout)
    return done.returncode, found["problems"], {row["distribution"]: row["error"] for row in found["plugins"]}


def validated(environment, file, *arguments):
    done = environment.runner("validate", file, "--format", "json", *arguments)
    return done.returncode, json.loads(done.stdout)["problems"]


def test_one_that_raises_on_import(environment, write_plugin, config):
    environment.install(write_plugin("broken", "raise ZeroDivisionError('a bad day')\n"))
    says = "runner-broken: the plugin 'broken' (runner_broken.plugin) can't be imported: ZeroDivisionError: a bad day"
    code, (problem,), errors = listed(environment)
    assert (code, problem["message"]) == (1, says)
    assert errors["runner-broken"] is not None
    assert errors["yaml-runner"] is errors["runner-vision"] is None

    code, (warning,) = validated(environment, config(PLAIN))
    assert (code, warning["severity"], warning["message"]) == (0, "warning", says)
    code, found = validated(environment, config(WANTS))
    assert code == 1
    assert [(each["code"], each["line"], each["column"]) for each in found] == [
        ("unknown-type", 6, 12),
        ("plugin-error", None, None),
    ]
    for arguments in (["show", config(PLAIN)], ["describe", "SGD"], ["components"], ["explain", "wrong-type"]):
        assert environment.runner(*arguments).returncode == 0, arguments


def test_one_with_a_misspelt_spec(environment, write_plugin, config):
    environment.install(write_plugin("odd", "from runner import hookimpl\n\n@hookimpl\ndef runner_chek(config): ...\n"))
    says = "runner-odd: 'runner_chek' in runner_odd.plugin is no spec; did you mean 'runner_check'?"
    code, (problem,), errors = listed(environment)
    assert code == 1
    assert problem["message"].startswith(says)
    assert f"runner-odd: {errors['runner-odd']}" == problem["message"]
    code, (problem,) = validated(environment, config(PLAIN))
    assert (code, problem["severity"]) == (1, "error")
    assert problem["message"].startswith(says)


@pytest.mark.parametrize("metrics", [METRICS.replace("Score", "Scoer"), None], ids=["no-class", "no-module"])
def test_one_whose_target_does_not_exist(environment, write_plugin, config, metrics):
    modules = {} if metrics is None else {"metrics": metrics}
    environment.install(write_plugin("lost", GOOD.format(package="runner_lost"), **modules))
    code, (problem,), _ = listed(environment)
    assert code == 1
    assert problem["message"].startswith("runner-lost: the metric 'Score' is to be runner_lost.metrics:Score: ")
    assert validated(environment, config(PLAIN)) == (0, [])
    code, (problem,) = validated(environment, config(WANTS))
    assert (code, problem["code"], problem["line"], problem["column"]) == (1, "component-unreadable", 6, 12)
    assert problem["message"].startswith("runner-lost: 'Score' can't be read")
    described = environment.runner("describe", "Score")
    assert described.returncode == 3
    assert "runner-lost: the metric 'Score'" in described.stderr


def test_two_with_the_same_plugin_name(environment, write_plugin, config):
    first, second = (
        write_plugin("same", GOOD.format(package=f"runner_{name}"), distribution=f"runner-{name}", metrics=METRICS)
        for name in ("one", "two")
    )
    environment.install(first, second)
    code, (problem,), errors = listed(environment)
    assert code == 1
    assert problem["message"] == "runner-two: its plugin name 'same' is taken by runner-one; uninstall one of the two"
    assert errors["runner-two"] is not None
    assert errors["runner-one"] is None
    assert [each["message"] for each in validated(environment, config(PLAIN))[1]] == [problem["message"]]


def test_two_with_the_same_component(environment, write_plugin, config):
    environment.install(
        *(write_plugin(name, GOOD.format(package=f"runner_{name}"), metrics=METRICS) for name in ("one", "two"))
    )
    code, (problem,), _ = listed(environment)
    assert (code, problem["code"], problem["severity"]) == (0, "ambiguous-type", "warning")
    assert "by runner-one as 'one.Score' and by runner-two as 'two.Score'" in problem["message"]
    code, (problem,) = validated(environment, config(WANTS))
    assert (code, problem["code"], problem["line"], problem["column"]) == (1, "ambiguous-type", 6, 12)
    for name in ("runner-one", "runner-two", "'one.Score'", "'two.Score'"):
        assert name in problem["message"]
    assert validated(environment, config(WANTS.replace("Score", "two.Score"))) == (0, [])
    assert validated(environment, config(WANTS + "default_scope: one\n")) == (0, [])
    assert validated(environment, config(PLAIN)) == (0, [])


def test_one_that_imports_torch_is_named_with_its_cost(environment, write_plugin, config):
    plugin = "import torch\n" + GOOD.format(package="runner_heavy")
    environment.install(write_plugin("heavy", plugin, metrics=METRICS))
    code, (problem,), errors = listed(environment)
    assert (code, problem["severity"], errors["runner-heavy"]) == (0, "warning", None)
    assert problem["message"].startswith("runner-heavy: importing 'runner_heavy.plugin' imports torch (")
    assert " s for every command)" in problem["message"]
    code, (warning,) = validated(environment, config(WANTS))
    assert (code, warning["severity"]) == (0, "warning")


def test_one_whose_other_specs_raise(environment, write_plugin, config):
    plugin = """\
def runner_check(config):
    yield 1 / 0

def runner_commands(app):
    raise RuntimeError("no commands today")

def runner_bases():
    raise OSError("no folder")
"""
    environment.install(write_plugin("moody", plugin))
    code, (problem,) = validated(environment, config(PLAIN))
    assert code == 1
    assert problem["message"] == (
        "runner-moody: runner_check in runner_moody.plugin raised ZeroDivisionError: division by zero"
    )
    shown = environment.runner("--help")
    assert shown.returncode == 0
    assert shown.stderr.count("runner-moody: runner_commands in runner_moody.plugin raised RuntimeError") == 1
    code, found = validated(environment, config("_base_: moody::base.yaml\n" + PLAIN))
    assert code == 1
    assert [(each["code"], each["line"]) for each in found] == [("base-not-found", 1), ("plugin-error", None)]
    assert "runner-moody: runner_bases in runner_moody.plugin raised OSError: no folder" in found[1]["message"]


def test_one_with_a_command_of_ours(environment, write_plugin):
    plugin = "def runner_commands(app):\n    app.command('train')(print)\n"
    environment.install(write_plugin("bold", plugin))
    code, (problem,), _ = listed(environment)
    assert code == 1
    assert problem["message"].startswith("runner-bold: its command 'train' is there already")
    assert "Train what a config describes." in environment.runner("train", "--help").stdout


def test_one_with_a_schema_that_is_none(environment, write_plugin):
    plugin = "def runner_register(catalog):\n    catalog.metric('Score', 'runner_off.metrics:Score', schema={})\n"
    wrong = plugin.replace("{}", "{'properties': {'scale': {'type': 'nmuber'}}}")
    environment.install(write_plugin("off", wrong, metrics=METRICS))
    done = environment.runner("schema")
    assert done.returncode == 3
    assert "metric.off.Score" in done.stderr
