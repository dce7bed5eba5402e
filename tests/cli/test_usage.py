"""What the command line takes, and what it exits with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from runner.cli.app import COMMANDS
from runner.validation import codes


def test_help_lists_every_command(cli):
    shown = cli("--help")
    assert shown.code == 0
    for name, line in COMMANDS.items():
        assert f"  {name} " in shown.out
        assert line[:40] in shown.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli, command):
    shown = cli(command, "--help")
    assert shown.code == 0
    assert shown.out.startswith(f"Usage: runner {command} ")
    assert COMMANDS[command] in " ".join(shown.out.split())


def test_version(cli):
    assert cli("--version").out.startswith("yaml-runner ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validat", "cfg.yaml"], "there is no command 'validat'; did you mean 'validate'?"),
        (["xyzzy"], "the commands are init, validate, train, "),
        (["validate"], "Missing argument 'CFG...'"),
        (["validate", "cfg.yaml", "--formt", "json"], "--format"),
        (["validate", "cfg.yaml", "--format", "xml"], "'xml' is no format; give text, json, github or sarif"),
        (["show", "cfg.yaml", "--format", "sarif"], "'sarif' is no format; give text or json"),
        (["train", "cfg.yaml", "--dry-run", "--format", "xml"], "'xml' is no format; give text or json"),
        (["validate", "cfg.yaml", "--missing-types", "maybe"], "error or warn, not maybe"),
        (["validate", "cfg.yaml", "a=1"], "'a=1' is no file; write an override as `-o a=1`"),
        (["train", "model.width=3"], "'model.width=3' is no file; write an override as `-o model.width=3`"),
        (["test", "cfg.yaml", "a=1"], "'a=1' is no file"),
        (["show", "a=1"], "'a=1' is no file"),
        (["schema", "--for", "a=1"], "'a=1' is no file"),
        (["schema", "--out", "nowhere/schema.json"], "'nowhere/schema.json' can't be written: No such file"),
        (["validate", "cfg.yaml", "--out", "nowhere/found.txt"], "'nowhere/found.txt' can't be written"),
        (["train", "cfg.yaml", "a=1"], "An override is written `-o KEY=VALUE`."),
        (["components", "metrik"], "'metrik' is no kind; did you mean 'metric'?"),
        (["describe", "SGDD"], "no installed plugin offers a component called 'SGDD'; did you mean 'SGD'?"),
        (["describe", "vision.Digits2"], "did you mean 'vision.Digits'?"),
        (["explain", "unknown-keys"], "no problem has the code 'unknown-keys'; did you mean 'unknown-key'?"),
        (["train", "cfg.yaml", "--nproc-per-node", "2"], "add `--launcher pytorch`"),
    ],
)
def test_wrong_usage(cli, config, arguments, says):
    config()
    done = cli(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert says in " ".join(done.err.split())


def test_a_file_whose_name_holds_an_equals_sign_is_never_taken(cli, config, tmp_path):
    (tmp_path / "a=1.yaml").write_text((tmp_path / config()).read_text())
    assert cli("validate", "a=1.yaml").code == 2


def test_exit_codes_of_validate(cli, config):
    assert cli("validate", config()).code == 0
    assert cli("validate", config("log_levl: INFO\n")).code == 1
    assert cli("validate", "nowhere.yaml").code == 1
    assert cli("validate", config("model: {type: NoSuchNet}\n")).code == 1
    assert cli("validate", config("model: {type: NoSuchNet}\n"), "--missing-types", "warn").code == 0


def test_several_configs_at_once(cli, config, tmp_path):
    good = config()
    (tmp_path / "bad.yaml").write_text("modle: 1\n")
    done = cli("validate", good, "bad.yaml", "--format", "json")
    assert done.code == 1
    assert {each["file"] for each in json.loads(done.out)["problems"]} == {"bad.yaml"}


TORCHLESS = [
    ["--help"],
    ["train", "--help"],
    ["validate", "cfg.yaml"],
    ["validate", "cfg.yaml", "-o", "modle=1"],
    ["validate", ".", "--format", "sarif"],
    ["validate", ".", "--format", "github"],
    ["format", "cfg.yaml"],
    ["diff", "cfg.yaml", "cfg.yaml"],
    ["schema", "--for", "cfg.yaml", "--out", "schema.json"],
    ["components", "metric", "--for", "cfg.yaml"],
    ["describe", "ToyNet", "--for", "cfg.yaml"],
    ["describe", "SGD"],
    ["show", "cfg.yaml", "--origins"],
    ["plugins"],
    ["explain", "wrong-type"],
    ["train", "cfg.yaml", "-o", "model.brokn=init"],
    ["train", "cfg.yaml", "-o", "launcher=slrum"],
]

IN_A_PROCESS = """\
import json, sys
from runner.cli.app import run
code = run(sys.argv[1:])
heavy = sorted({"torch", "numpy", "structlog", "toy_parts"} & set(sys.modules))
print(json.dumps([code, heavy]), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", TORCHLESS, ids=" ".join)
def test_commands_that_only_read_import_nothing_heavy(config, arguments):
    config()
    done = subprocess.run([sys.executable, "-c", IN_A_PROCESS, *arguments], capture_output=True, text=True, check=True)
    code, heavy = json.loads(done.stderr.splitlines()[-1])
    assert heavy == []
    assert code == (1 if "-o" in arguments else 0)


def test_validate_as_json(cli, config):
    done = cli("validate", config("train_dataloader: {batchsize: 2}\n"), "--format", "json")
    shown = json.loads(done.out)
    assert set(shown) == {"ok", "problems"}
    (problem,) = shown["problems"]
    assert problem == {
        "code": "unknown-key",
        "severity": "error",
        "path": "train_dataloader.batchsize",
        "message": "no such key; did you mean 'batch_size'?",
        "file": "cfg.yaml",
        "line": 2,
        "column": 20,
        "suggestion": "batch_size",
    }
    assert json.loads(cli("validate", config(), "--format", "json").out) == {"ok": True, "problems": []}


def test_components_as_json(cli):
    rows = json.loads(cli("components", "--format", "json").out)
    assert all(set(row) == {"kind", "name", "plugin", "target", "summary"} for row in rows)
    assert all(row["summary"] for row in rows)
    assert {"hook", "loop", "optimizer", "dataset", "metric"} <= {row["kind"] for row in rows}
    metrics = json.loads(cli("components", "metric", "--format", "json").out)
    assert metrics == [row for row in rows if row["kind"] == "metric"]


def test_components_as_text(cli):
    shown = cli("components", "sampler").out
    assert shown.startswith("sampler: The order in which samples are drawn.\n")
    assert "  runner.DefaultSampler " in shown


def test_describe_as_json(cli):
    shown = json.loads(cli("describe", "CheckpointHook", "--format", "json").out)
    assert (shown["kind"], shown["name"], shown["plugin"]) == ("hook", "CheckpointHook", "runner")
    assert shown["target"] == "runner.hooks.checkpoint:CheckpointHook"
    assert shown["open"] is False
    assert set(shown["engine_keys"]) == {"priority"}
    (interval,) = [each for each in shown["parameters"] if each["name"] == "interval"]
    assert (interval["required"], interval["default"]) == (False, -1)
    assert interval["schema"]["type"] == "integer"
    assert interval["schema"]["minimum"] == -1
    assert interval["description"] == interval["schema"]["description"]


def test_describe_leaves_out_what_the_engine_passes(cli):
    shown = json.loads(cli("describe", "ValLoop", "--format", "json").out)
    assert not {"runner", "dataloader", "evaluator"} & {each["name"] for each in shown["parameters"]}


def test_describe_as_text(cli):
    shown = cli("describe", "vision.Digits").out
    assert shown.startswith("vision.Digits  (dataset, runner_vision.datasets.digits:Digits)\n")
    assert "  split: Literal['train', 'val', 'all'] = 'train'\n      `train` has" in shown


def test_describe_reads_a_configs_own_code(cli, config):
    shown = json.loads(cli("describe", "ToyNet", "--for", config(), "--format", "json").out)
    assert (shown["plugin"], shown["summary"]) == ("local", "A linear layer.")
    assert [each["name"] for each in shown["parameters"]] == ["broken"]
    assert "toy_parts" not in sys.modules
    assert cli("describe", "ToyNet").code == 2


def test_what_is_wrong_with_a_configs_own_code_is_a_problem(cli, config):
    done = cli("schema", "--for", config("custom_imports: {imports: [./gone.py]}\n"))
    assert (done.code, done.out) == (1, "")
    assert "cfg.yaml:2:28: error[import-not-found]" in done.err


def test_plugins(cli):
    shown = json.loads(cli("plugins", "--format", "json").out)
    assert (shown["ok"], shown["problems"]) == (True, [])
    rows = {row["name"]: row for row in shown["plugins"]}
    assert set(rows["vision"]) == {"name", "module", "distribution", "version", "error", "components"}
    assert rows["runner"]["distribution"] == "yaml-runner"
    assert rows["vision"]["components"] > 15
    assert "runner-vision 0" in cli("plugins").out


def test_explain(cli):
    text = cli("explain", "wrong-type").out
    assert text.startswith("# wrong-type")
    assert json.loads(cli("explain", "wrong-type", "--format", "json").out) == {
        "code": "wrong-type",
        "page": text.removesuffix("\n"),
    }
    assert all(cli("explain", code).code == 0 for code in codes())


def test_schema(cli, config, tmp_path):
    file = config()
    joined = json.loads(cli("schema").out)
    assert joined == json.loads(cli("schema", "--format", "json").out)
    assert "ToyNet" not in json.dumps(joined)
    done = cli("schema", "--for", file, "--out", "schema.json")
    assert (done.code, done.out) == (0, "")
    with_own = Draft202012Validator(json.loads((tmp_path / "schema.json").read_text()))
    composed = json.loads(cli("show", file, "--format", "json").out)
    assert with_own.is_valid(composed)
    assert not Draft202012Validator(joined).is_valid(composed)
    composed["model"]["brokn"] = "init"
    assert [list(error.path) for error in with_own.iter_errors(composed)]
