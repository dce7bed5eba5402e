"""What a person sees who edits a config: the real yaml-language-server with the schema that `runner schema` writes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from runner.plugin import default_plugins
from runner.signature import describe

ROOT = Path(__file__).parents[2]
MODEL = "model: {type: SmallConvNet, num_classes: 10}\n"
BASE = "_base_: base.yaml\n"


def names(kind):
    """What an installed component may be called."""
    return {name for entry in default_plugins().catalog.entries(kind) for name in (entry.name, entry.qualified)}


@pytest.fixture(scope="module")
def editor(server, tmp_path_factory):
    """An editor on a workspace whose configs name the schema by their modeline."""
    from language_server import Editor

    from runner.cli.app import run

    folder = tmp_path_factory.mktemp("workspace").resolve()
    assert run(["schema", "--out", str(folder / "schema.json")]) == 0
    with Editor.opened(server, folder) as opened:
        yield opened


@pytest.fixture
def ask(editor):
    """The editor, with the modeline above every text."""

    class Asked:
        def __getattr__(self, name):
            return lambda text, *more: getattr(editor, name)(
                f"# yaml-language-server: $schema=schema.json\n{text}", *more
            )

    return Asked()


class TestCompletion:
    def test_datasets_after_type(self, ask):
        offered = ask.completions("train_dataloader:\n  dataset:\n    type: |\n")
        assert set(offered) == names("dataset")
        assert {"Digits", "vision.Digits"} <= set(offered)

    def test_each_with_its_summary(self, ask):
        said = ask.documentation("train_dataloader:\n  dataset:\n    type: |\n", "Digits")
        assert said == describe("runner_vision.datasets.digits:Digits").summary

    def test_keys_of_a_loader(self, ask):
        offered = ask.completions("train_dataloader:\n  |\n")
        assert {"dataset", "sampler", "batch_size", "num_workers", "collate_fn", "num_batch_per_epoch"} <= set(offered)
        assert "type" not in offered
        assert "_delete_" not in offered

    def test_fields(self, ask):
        assert {"model", "train_dataloader", "vars", "_base_"} <= set(ask.completions("|\n"))
        assert {"model", "train_dataloader", "vars"} <= set(ask.completions(f"{BASE}|\n"))

    @pytest.mark.parametrize("base", ["", BASE])
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("train_dataloader:\n  dataset:\n    type: ImageFolder\n    |\n", {"root", "extensions", "allow_empty"}),
            ("model:\n  type: SmallConvNet\n  |\n", {"num_classes", "width", "dropout", "data_preprocessor"}),
            ("optim_wrapper:\n  optimizer:\n    type: SGD\n    |\n", {"lr", "momentum", "nesterov"}),
            ("optim_wrapper:\n  optimizer: {type: SGD, l|}\n", {"lr", "momentum", "nesterov"}),
            ("optim_wrapper:\n  |\n", {"type", "optimizer", "clip_grad", "paramwise_cfg"}),
            ("default_hooks:\n  checkpoint:\n    |\n", {"type", "interval", "save_best", "priority"}),
            ("custom_hooks:\n  - type: MisclassifiedHook\n    |\n", {"num_images", "mean", "priority"}),
            ("param_scheduler:\n  - type: LinearLR\n    |\n", {"start_factor", "by_epoch", "convert_to_iter_based"}),
            ("train_cfg:\n  |\n", {"type", "by_epoch"}),
            ("train_cfg:\n  by_epoch: false\n  |\n", {"max_iters", "val_interval"}),
            ("train_dataloader:\n  dataset:\n    |\n", {"type"}),
        ],
    )
    def test_arguments(self, ask, base, text, expected):
        assert expected <= set(ask.completions(base + text))

    @pytest.mark.parametrize("base", ["", BASE])
    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("optim_wrapper:\n  optimizer:\n    type: |\n", "optimizer"),
            ("custom_hooks:\n  - type: |\n", "hook"),
            ("param_scheduler:\n  type: |\n", "param_scheduler"),
            ("train_dataloader:\n  dataset:\n    type: Digits\n    transform:\n      - type: |\n", "transform"),
            ("train_dataloader:\n  collate_fn: |\n", "function"),
            ("val_evaluator:\n  - type: |\n", "metric"),
        ],
    )
    def test_types_of_a_slot(self, ask, base, text, kind):
        assert set(ask.completions(base + text)) - {"null", "Default value"} == names(kind)

    def test_without_a_type_a_file_on_a_base_is_offered_what_any_takes(self, ask):
        offered = ask.completions(f"{BASE}train_dataloader:\n  dataset:\n    |\n")
        assert {"split", "root", "transform", "type", "_delete_"} <= set(offered)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("launcher: |\n", {"none", "pytorch"}),
            ("model:\n  type: SmallConvNet\n  num_classes: 3\nlog_level: |\n", {"INFO"}),
        ],
    )
    def test_values(self, ask, text, expected):
        assert expected <= set(ask.completions(text))


class TestHover:
    @pytest.mark.parametrize(
        ("text", "target", "name"),
        [
            ("model:\n  type: SmallConvNet\n  num_cl|asses: 3\n", "runner_vision.models:SmallConvNet", "num_classes"),
            (
                "custom_hooks:\n  - {type: MisclassifiedHook, num_im|ages: 3}\n",
                "runner_vision.hooks:MisclassifiedHook",
                "num_images",
            ),
            ("default_hooks: {checkpoint: {inter|val: 3}}\n", "runner.hooks.checkpoint:CheckpointHook", "interval"),
            (
                f"{BASE}default_hooks: {{checkpoint: {{save_|best: x}}}}\n",
                "runner.hooks.checkpoint:CheckpointHook",
                "save_best",
            ),
            ("optim_wrapper:\n  optimizer: {type: SGD, moment|um: 0.9}\n", "torch.optim:SGD", "momentum"),
        ],
    )
    def test_over_a_key_is_the_docstrings_text(self, ask, text, target, name):
        doc = describe(target).parameter(name).doc
        assert doc
        assert " ".join(doc.split()) in " ".join(ask.hover(text).split())

    def test_over_a_field(self, ask):
        assert "Loads the training data." in ask.hover("train_data|loader:\n  batch_size: 3\n")
        assert "Samples in a batch, on each process" in ask.hover("train_dataloader:\n  batch_|size: 3\n")

    def test_over_a_types_slot(self, ask):
        assert describe("runner_vision.datasets.digits:Digits").summary in ask.hover(
            "train_dataloader:\n  data|set: {type: Digits}\n"
        )


class TestDiagnostics:
    @pytest.mark.parametrize(
        ("text", "line", "column", "says"),
        [
            (f"{BASE}train_dataloader:\n  batchsize: 3\n", 3, 3, "Property batchsize is not allowed."),
            (f"{BASE}train_dataloadr: {{}}\n", 2, 1, "Property train_dataloadr is not allowed."),
            (f"{BASE}train_dataloader: {{dataset: {{type: Digit}}}}\n", 2, 36, '"Digits"'),
            (f"{BASE}train_dataloader: {{dataset: {{splt: all}}}}\n", 2, 30, "Property splt is not allowed."),
            (f"{BASE}optim_wrapper: {{clip_grad: {{max_nrm: 3}}}}\n", 2, 29, "Property max_nrm is not allowed."),
            (f"{BASE}train_dataloader: {{batch_size: two}}\n", 2, 32, "Expected one of integer, null."),
            ("model: {type: SmallConvNet, num_clases: 3}\n", 1, 29, "Property num_clases is not allowed."),
            ("model: {type: SmallConvNet, num_classes: 1}\n", 1, 42, "minimum of 2"),
            (f"{MODEL}custom_hooks: [{{type: MisclassifiedHook, priority: HIHG}}]\n", 2, 52, '"HIGH"'),
            (f"{MODEL}val_evaluator: {{type: Accuracy, topkk: 3}}\n", 2, 33, "Property topkk is not allowed."),
            (f"{MODEL}val_cfg: {{}}\n", 1, 1, 'Missing property "val_dataloader".'),
        ],
    )
    def test_a_mistake_is_marked_where_it_is(self, ask, text, line, column, says):
        # The modeline is a line of its own.
        found = [each for each in ask.diagnostics(text) if each[:2] == (line + 1, column)]
        assert any(says in message for *_, message in found), ask.diagnostics(text)

    @pytest.mark.parametrize(
        "config",
        sorted(
            # One with code of its own needs the schema that is made for it.
            config
            for config in (*ROOT.glob("examples/*/*.yaml"), *ROOT.glob("tests/cases/valid/*.yaml"))
            if not list(config.parent.glob("*.py"))
        ),
        ids=lambda config: config.stem,
    )
    def test_nothing_is_marked_in_what_is_right(self, ask, config):
        assert ask.diagnostics(config.read_text(encoding="utf-8")) == []


class TestInstalled:
    def test_by_a_modeline(self, open_editor, workspace, cli):
        config = workspace / "configs" / "cfg.yaml"
        config.parent.mkdir()
        config.write_text(f"{MODEL}train_dataloader:\n  batchsize: 3\n")
        assert cli("schema", "--install", config)[0] == 0
        editor = open_editor(workspace)
        editor.inside = "configs"
        assert (4, 3, "Property batchsize is not allowed.") in editor.diagnostics(config.read_text())

    def test_by_the_settings_of_the_workspace(self, open_editor, workspace, cli):
        config = workspace / "configs" / "deep" / "cfg.yaml"
        config.parent.mkdir(parents=True)
        config.write_text(MODEL)
        assert cli("schema", "--install")[0] == 0
        editor = open_editor(workspace, json.loads((workspace / ".vscode" / "settings.json").read_text()))
        editor.inside = "configs"
        assert editor.marks(f"{MODEL}modell: 3\n", (2, 1, "Property modell is not allowed."))
        editor.inside = "elsewhere"
        assert editor.diagnostics(f"{MODEL}modell: 3\n") == []

    def test_with_components_of_ones_own(self, open_editor, workspace, cli):
        (workspace / "model.py").write_text((ROOT / "examples" / "custom_model" / "model.py").read_text())
        (workspace / "layers.py").write_text((ROOT / "examples" / "custom_model" / "layers.py").read_text())
        config = workspace / "cfg.yaml"
        config.write_text((ROOT / "examples" / "custom_model" / "cfg.yaml").read_text())
        assert cli("schema", "--install", "cfg.yaml")[0] == 0
        editor = open_editor(workspace)
        assert editor.diagnostics(config.read_text()) == []
        assert "How many blocks there are." in editor.hover(config.read_text().replace("blocks:", "blo|cks:"))


def test_a_plugin_that_is_installed_afterwards_shows_up(open_editor, environment, write_plugin, workspace):
    """Nothing but `runner validate` is run after pip, and the editor stays open."""
    config = workspace / "cfg.yaml"
    config.write_text(f"{MODEL}custom_hooks: [{{type: LateHook}}]\n")
    assert environment.runner("schema", "--install", str(config), cwd=workspace).returncode == 0
    editor = open_editor(workspace)
    text = config.read_text()
    asked = text.replace("LateHook}]", "|}]")
    assert "LateHook" not in editor.completions(asked)
    assert '"CheckpointHook"' in editor.diagnostics(text)[0][2]

    hooks = (
        "from runner.hooks import Hook\n\n\nclass LateHook(Hook):\n"
        '    """Comes late.\n\n    Args:\n        delay: How late, in minutes.\n    """\n\n'
        "    def __init__(self, delay: int = 3) -> None:\n        pass\n"
    )
    plugin = 'def runner_register(catalog):\n    catalog.hook("LateHook", "runner_late.hooks:LateHook")\n'
    environment.install(write_plugin("late", plugin, hooks=hooks))
    done = environment.runner("validate", str(config), cwd=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "schema.json: brought up to date" in done.stderr
    assert environment.runner("validate", str(config), cwd=workspace).stderr == ""

    editor.changed(workspace / ".runner" / "schema.json")
    assert "LateHook" in editor.completions(asked)
    assert editor.diagnostics(text) == []
    assert "How late, in minutes." in editor.hover(text.replace("LateHook}", "LateHook, de|lay: 3}"))


@pytest.fixture
def environment(tmp_path):
    """A virtual environment of the test's own, with the project and what it needs."""
    return _plugin_environment().Environment.make(tmp_path)


@pytest.fixture
def write_plugin(tmp_path):
    """Writes a plugin package; returns the folder that pip installs."""

    def write(name, plugin, **more):
        return _plugin_environment().write_plugin(tmp_path / "packages", name, plugin, **more)

    return write


def _plugin_environment():
    file = ROOT / "tests" / "plugin" / "environment.py"
    spec = importlib.util.spec_from_file_location("plugin_environment", file)
    module = sys.modules["plugin_environment"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
