"""Files, devices, processes and registries against MMEngine's: the same names, arguments and results."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmengine")

from mmengine import fileio as theirs

from runner import fileio as ours

DOCS = Path(__file__).parents[2].joinpath("docs", "files.md").read_text(encoding="utf-8")
PARTS = ["fileio", "device", "dist", "registry", "structures", "testing"]


@pytest.mark.parametrize("part", PARTS)
def test_every_name_is_there_or_in_the_docs(part):
    names = importlib.import_module(f"mmengine.{part}").__all__
    own = importlib.import_module(f"runner.{part}").__all__
    assert {name for name in names if name not in own and f"`{name}`" not in DOCS} == set()


OTHER_ARGUMENTS = {
    "init_dist": "the backend is chosen by the device, and there is only torch's way",
}


def arguments(function):
    return [(each.name, each.default) for each in inspect.signature(function).parameters.values()]


FUNCTIONS = [
    (part, name)
    for part in PARTS
    for name in importlib.import_module(f"mmengine.{part}").__all__
    if inspect.isfunction(getattr(importlib.import_module(f"mmengine.{part}"), name))
    and hasattr(importlib.import_module(f"runner.{part}"), name)
]


@pytest.mark.parametrize(("part", "name"), FUNCTIONS)
def test_functions_take_the_same_arguments(part, name):
    mine = arguments(getattr(importlib.import_module(f"runner.{part}"), name))
    their = arguments(getattr(importlib.import_module(f"mmengine.{part}"), name))
    if name in OTHER_ARGUMENTS:
        assert mine != their
    else:
        assert mine[: len(their)] == their


@pytest.fixture
def folder(tmp_path):
    for name in ("b.txt", "a.py", ".hidden", "sub/c.txt", "sub/deep/d.txt", ".dot/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("options", [{}, {"list_file": False}, {"list_dir": False, "suffix": ".txt"}], ids=str)
def test_a_folder_has_the_same_content(folder, recursive, options):
    mine = list(ours.list_dir_or_file(folder, recursive=recursive, **options))
    assert mine == sorted(mine) or recursive
    assert sorted(mine) == sorted(theirs.list_dir_or_file(folder, recursive=recursive, **options))


@pytest.mark.parametrize("text", ["a 1\nb 2\n", "a 1 2\r\nb\t2", "1 x\n"])
def test_lines_are_read_alike(tmp_path, text):
    file = tmp_path / "a.txt"
    file.write_bytes(text.encode())
    for options in ({}, {"prefix": "p/"}, {"offset": 1}, {"max_num": 1}, {"offset": 5}):
        assert ours.list_from_file(file, **options) == theirs.list_from_file(file, **options)
    if "b\t" in text or text.startswith("1"):
        assert ours.dict_from_file(file) == theirs.dict_from_file(file)


DATA = {"b": [1, 2.5, None, True], "a": {"x": "text", "y": ["ä"]}}


@pytest.mark.parametrize("file_format", ["json", "yaml", "pkl"])
def test_files_are_written_for_each_other(tmp_path, file_format):
    mine, their = tmp_path / f"mine.{file_format}", tmp_path / f"theirs.{file_format}"
    ours.dump(DATA, mine)
    theirs.dump(DATA, their)
    assert ours.load(their) == theirs.load(mine) == DATA
    if file_format == "json":
        assert mine.read_bytes() == their.read_bytes()


def test_arrays_in_pickles_are_read_alike(tmp_path):
    data = {"boxes": np.arange(8.0, dtype=np.float32).reshape(2, 4), "names": np.array(["a", "bc"]), "n": np.int64(3)}
    theirs.dump(data, tmp_path / "a.pkl")
    for key, value in ours.load(tmp_path / "a.pkl").items():
        assert type(value) is type(data[key])
        np.testing.assert_array_equal(value, data[key])
