from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runner.signature import cache, describe, reader

TEXT = "class Thing:\n    def __init__(self, a: int = 1, b: tuple = (1, (2,)), c=float('inf')): ...\n"


@pytest.fixture
def reads(monkeypatch):
    """The targets that were read from their source."""
    found = []
    real = reader.read_target

    def read(target, paths=()):
        found.append(target)
        return real(target, paths)

    monkeypatch.setattr(reader, "read_target", read)
    return found


def test_a_record_is_kept_on_disk(package, reads):
    package.put("thing.py", TEXT)
    first = package.describe("thing:Thing")
    cache.forget()
    second = package.describe("thing:Thing")
    assert second == first
    assert len(reads) == 1


@pytest.mark.parametrize("forget", [True, False])
def test_it_holds_while_every_file_is_unchanged(package, reads, forget):
    package.put("base.py", TEXT)
    package.put("thing.py", "from base import Thing as Base\nclass Thing(Base): ...\n")
    assert len(package.describe("thing:Thing").parameters) == 3
    package.put("base.py", TEXT.replace("a: int = 1", "a: int = 1, z=2"))
    if forget:
        cache.forget()
    assert len(package.describe("thing:Thing").parameters) == 4
    assert len(reads) == 2


def test_it_notices_a_package_that_was_missing(package):
    package.put("thing.py", "from newcomer import Base\nclass Thing(Base): ...\n")
    assert package.describe("thing:Thing").open
    package.put("newcomer.py", "class Base:\n    def __init__(self, a): ...\n")
    assert not package.describe("thing:Thing").open


def test_a_damaged_record_is_read_anew(package, reads, tmp_path):
    package.put("thing.py", TEXT)
    first = package.describe("thing:Thing")
    for file in (tmp_path / "cache" / "signatures").iterdir():
        file.write_text("{", encoding="utf-8")
    cache.forget()
    assert package.describe("thing:Thing") == first
    assert len(reads) == 2


def test_a_folder_that_cannot_be_written_is_no_error(package, monkeypatch, tmp_path):
    package.put("thing.py", TEXT)
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("RUNNER_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert package.describe("thing:Thing").parameters


def test_nothing_is_left_beside_the_records(package, tmp_path):
    package.put("thing.py", TEXT)
    package.describe("thing:Thing")
    assert [file.suffix for file in (tmp_path / "cache" / "signatures").iterdir()] == [".json"]


def test_the_xdg_folder_is_used(package, monkeypatch, tmp_path):
    monkeypatch.delenv("RUNNER_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    package.put("thing.py", TEXT)
    package.describe("thing:Thing")
    assert list((tmp_path / "xdg" / "yaml-runner" / "signatures").iterdir())


def test_nothing_heavy_is_imported(tmp_path):
    code = (
        "import sys; from runner.signature import describe; describe('torch.optim:SGD'); describe('torch.optim:SGD');"
        "assert not {'torch', 'numpy', 'jsonschema'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "RUNNER_CACHE_DIR": str(tmp_path)})


def test_the_same_name_in_two_folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(
            f"class Net:\n    def __init__(self, {name}): ...\n", encoding="utf-8"
        )
    found = [describe("model:Net", paths=[tmp_path / name]).parameters[0].name for name in ("a", "b", "a")]
    assert found == ["a", "b", "a"]
