"""`runner init` writes configs that are valid, trained as they are, and changed by options."""

from __future__ import annotations

import json
import sys

import pytest
from ruamel.yaml import YAML

from runner.cli.app import run
from runner.config import compose
from runner.plugin import PROCESS_ENTRIES, Catalog, Entry, default_plugins
from runner.starter import TASKS, Choices, start
from runner.starter.placeholders import placeholder
from runner.starter.text import WIDTH
from runner.validation import check


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder that looks like a project's; what a run imports from it leaves again."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(PROCESS_ENTRIES)
    yield tmp_path
    PROCESS_ENTRIES[:] = before
    sys.modules.pop("model", None)


@pytest.fixture
def init(capsys):
    def call(*arguments):
        capsys.readouterr()
        code = run(["init", *map(str, arguments)])
        return code, *capsys.readouterr()

    return call


def read(file):
    return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_written_checked_and_trained(init, folder, capsys, task):
    code, out, err = init(task)
    assert (code, err) == (0, "")
    assert "config.yaml: written" in out
    assert run(["validate", "config.yaml"]) == 0
    assert "no problems" in capsys.readouterr().out
    trained = run(["train", "config.yaml", "--device", "cpu", "-o", "train_cfg.max_epochs=1"])
    assert trained == 0, capsys.readouterr().err
    assert (folder / "work_dirs" / "config" / "epoch_1.pth").exists()


@pytest.mark.parametrize("task", TASKS)
def test_it_is_commented_and_names_its_schema(init, folder, task):
    init(task, "--out", "configs/first.yaml")
    text = (folder / "configs" / "first.yaml").read_text()
    modeline, _, rest = text.partition("\n")
    schema = modeline.removeprefix("# yaml-language-server: $schema=")
    assert (folder / "configs" / schema).resolve().is_file()
    assert "runner validate configs/first.yaml" in rest
    assert "???" not in text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.count("#") > 20


def test_the_list(init):
    code, out, _ = init("--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(TASKS)
    rows = json.loads(init("--list", "--format", "json")[1])
    assert [(row["task"], row["lacking"]) for row in rows] == [(name, None) for name in TASKS]


DATASETS = sorted(entry.name for entry in default_plugins().catalog.entries("dataset"))
OPTIMIZERS = sorted(entry.name for entry in default_plugins().catalog.entries("optimizer"))


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_can_be_chosen(init, folder, dataset):
    assert init("classification", "--dataset", dataset)[0] == 0
    config = read(folder / "config.yaml")
    parts = [config[f"{part}_dataloader"]["dataset"] for part in ("train", "val")]
    assert [part["type"] for part in parts] == [dataset, dataset]
    assert parts[0] != parts[1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_can_be_chosen(optimizer):
    text = start("classification", default_plugins().catalog, Choices(optimizer=optimizer))["config.yaml"]
    composition = compose("config.yaml", text=text)
    assert composition.data["optim_wrapper"]["optimizer"]["type"] == optimizer
    assert check(composition) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["classificaton"], "'classificaton' is no task; did you mean 'classification'?"),
        ([], "name a task; the tasks are classification, custom"),
        (["classification", "--dataset", "Digit"], "no dataset is called 'Digit'; did you mean 'Digits'?"),
        (["classification", "--model", "SGD"], "'SGD' is an optimizer, and a model is needed here"),
        (["custom", "--model", "SmallConvNet"], "leave out --model"),
        (["custom", "--out", "config.json"], "it ends in .yaml"),
    ],
)
def test_wrong_usage(init, folder, arguments, says):
    code, out, err = init(*arguments)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())
    assert sorted(path.name for path in folder.iterdir()) == [".git"]


@pytest.mark.parametrize("name", ["config.yaml", "model.py"])
def test_nothing_is_written_over(init, folder, name):
    (folder / name).write_text("mine\n")
    code, _, err = init("custom")
    assert code == 2
    assert f"'{name}' is there already" in " ".join(err.split())
    assert sorted(path.name for path in folder.iterdir()) == sorted([".git", name])
    assert (folder / name).read_text() == "mine\n"


def test_a_task_whose_plugin_is_not_installed_says_what_to_install():
    ours = Catalog(entry for entry in default_plugins().catalog if entry.plugin == "runner")
    assert "pip install runner-vision" in TASKS["classification"].lacking(ours)
    assert TASKS["custom"].lacking(ours) is None


def test_required_arguments_are_filled_in_and_said(folder):
    """A data set whose arguments nobody has chosen values for."""
    (folder / "needy.py").write_text(
        "from typing import Annotated, Literal\nfrom torch.utils.data import Dataset\n"
        "from runner.kinds import Interval, Slot\n\n\nclass Needy(Dataset):\n"
        '    """Needs much.\n\n    Args:\n        folder: Where it lies.\n        count: How many.\n    """\n\n'
        "    def __init__(self, folder: str, count: Annotated[int, Interval(ge=3, le=9)], share: float,\n"
        '                 mode: Literal["fast", "slow"], sizes: tuple[int, int], names: list[str],\n'
        '                 first: Annotated[object, Slot("transform")], flag: bool, free, more: int = 3) -> None:\n'
        "        pass\n"
    )
    sys.path.append(str(folder))
    catalog = default_plugins().catalog.copy()
    catalog.add(Entry(kind="dataset", name="Needy", plugin="local", target="needy:Needy"))
    text = start("classification", catalog, Choices(dataset="Needy"))["config.yaml"]
    config = YAML(typ="safe", pure=True).load(text)
    dataset = config["train_dataloader"]["dataset"]
    first = dataset.pop("first")
    assert catalog.resolve("transform", first["type"])
    assert dataset == {
        "type": "Needy",
        "folder": "data/folder",
        "count": 3,
        "share": 1,
        "mode": "fast",
        "sizes": [1, 1],
        "names": ["names"],
        "flag": False,
        "free": "free",
    }
    assert "# fill in: Where it lies" in text
    assert "# fill in: it has no default" in text


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.999),
        ({"type": "number", "maximum": 0}, 0),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, "name"),
        ({"anyOf": [{"x-slot": "metric"}, {"const": 7}]}, 7),
        ({"type": "object", "properties": {"a": {"type": "boolean"}, "b": {}}, "required": ["a"]}, {"a": False}),
        ({"type": "array", "items": {"enum": ["x"]}, "minItems": 2}, ["x", "x"]),
        ({"type": "null"}, None),
    ],
)
def test_placeholders(schema, expected):
    def offered(kind):
        raise LookupError(kind)

    assert placeholder("name", schema, offered) == expected
