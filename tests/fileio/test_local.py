from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from runner import StorageError, fileio
from runner.fileio.atomic import replacing


def test_bytes_and_text(tmp_path):
    file = tmp_path / "new" / "folder" / "a.bin"
    fileio.put(b"one\r\ntwo", file)
    assert fileio.get(str(file)) == b"one\r\ntwo"
    assert fileio.get_text(file) == "one\ntwo"
    assert fileio.get(f"file://{file}") == b"one\r\ntwo"
    fileio.put_text("äöü", file)
    assert fileio.get_text(file) == "äöü"
    assert fileio.get(file, backend_args={"backend": "local"}) == "äöü".encode()
    assert [each.name for each in file.parent.iterdir()] == ["a.bin"]
    assert (fileio.exists(file), fileio.isfile(file), fileio.isdir(file.parent)) == (True, True, True)
    with pytest.raises(FileNotFoundError):
        fileio.get(tmp_path / "none")


def interrupted(file):
    with replacing(file) as part:
        part.write_text("half of wh")
        assert file.read_text() == "before"
        raise KeyboardInterrupt


def test_a_file_is_replaced_in_one_step(tmp_path):
    file = tmp_path / "a.txt"
    fileio.put_text("before", file)
    with pytest.raises(KeyboardInterrupt):
        interrupted(file)
    assert (file.read_text(), [each.name for each in tmp_path.iterdir()]) == ("before", ["a.txt"])
    with pytest.raises(FileNotFoundError), replacing(file):
        pass  # nothing was written
    assert file.read_text() == "before"


def test_a_file_keeps_its_permissions_and_a_link_its_place(tmp_path):
    file, link = tmp_path / "a.txt", tmp_path / "link.txt"
    fileio.put_text("one", file)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask
    file.chmod(0o640)
    link.symlink_to(file)
    fileio.put_text("two", link)
    assert (file.read_text(), link.is_symlink(), stat.S_IMODE(file.stat().st_mode)) == ("two", True, 0o640)


def test_copies(tmp_path):
    source = tmp_path / "source"
    fileio.put_text("x", source / "sub" / "a.txt")
    copied = fileio.copytree(source, tmp_path / "copy")
    assert Path(copied, "sub", "a.txt").read_text() == "x"
    with pytest.raises(FileExistsError):
        fileio.copytree(source, tmp_path / "copy")
    assert fileio.copyfile(source / "sub" / "a.txt", tmp_path) == str(tmp_path / "a.txt")
    assert fileio.copyfile_to_local(tmp_path / "a.txt", tmp_path / "b.txt") == str(tmp_path / "b.txt")
    assert fileio.copyfile_from_local(tmp_path / "b.txt", tmp_path / "c.txt") == str(tmp_path / "c.txt")
    with pytest.raises(OSError, match="same file"):
        fileio.copyfile(tmp_path / "a.txt", tmp_path)
    assert fileio.copy_if_symlink_fails(tmp_path / "a.txt", tmp_path / "link")
    assert not fileio.copy_if_symlink_fails(tmp_path / "b.txt", tmp_path / "link")
    assert (tmp_path / "a.txt").read_text() == "x"


def test_deleting(tmp_path):
    fileio.put(b"", tmp_path / "folder" / "a")
    with pytest.raises(IsADirectoryError, match="rmtree"):
        fileio.remove(tmp_path / "folder")
    with pytest.raises(FileNotFoundError):
        fileio.remove(tmp_path / "none")
    fileio.remove(tmp_path / "folder" / "a")
    fileio.rmtree(tmp_path / "folder")
    assert not any(tmp_path.iterdir())


def test_a_folders_content(tmp_path):
    for name in ("b.txt", "a.py", ".hidden", "sub/c.txt", "sub/deep/d.txt"):
        fileio.put(b"", tmp_path / name)
    assert list(fileio.list_dir_or_file(tmp_path)) == ["a.py", "b.txt", "sub"]
    assert list(fileio.list_dir_or_file(tmp_path, list_file=False, recursive=True)) == ["sub", "sub/deep"]
    found = fileio.list_dir_or_file(tmp_path, list_dir=False, suffix=".txt", recursive=True)
    assert list(found) == ["b.txt", "sub/c.txt", "sub/deep/d.txt"]
    with pytest.raises(TypeError, match="list_dir=False"):
        fileio.list_dir_or_file(tmp_path, suffix=".txt")


def test_a_local_path_is_itself(tmp_path):
    with fileio.get_local_path(tmp_path / "a.txt") as path:
        assert path == str(tmp_path / "a.txt")
    assert fileio.join_path("/a/", "b", "c.txt") == "/a/b/c.txt"


def test_lines(tmp_path):
    file = tmp_path / "list.txt"
    file.write_bytes(b"a 1\nb 2 3\r\n\nc 4")
    assert fileio.list_from_file(file) == ["a 1", "b 2 3", "", "c 4"]
    assert fileio.list_from_file(file, prefix="x/", offset=1, max_num=1) == ["x/b 2 3"]
    with pytest.raises(StorageError, match=r"list.txt:3: .* 0 columns"):
        fileio.dict_from_file(file)
    file.write_text("1 a\n2 b c\n")
    assert fileio.dict_from_file(file, key_type=int) == {1: "a", 2: ["b", "c"]}
