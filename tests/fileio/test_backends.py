from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import zipfile
from pathlib import Path

import pytest

from runner import StorageError, fileio
from runner.plugin import PROCESS_ENTRIES
from runner.registry import STORAGES


def test_http(served):
    folder, address = served
    (folder / "a.json").write_text('{"a": 1}')
    url = f"{address}/a.json"
    assert fileio.get(url) == b'{"a": 1}'
    assert fileio.load(f"{url}?token=a.b#c") == {"a": 1}
    assert (fileio.exists(url), fileio.isfile(url), fileio.isdir(url)) == (True, True, False)
    assert not fileio.exists(f"{address}/none")
    assert fileio.join_path(address, "a", "b.png") == f"{address}/a/b.png"
    with fileio.get_local_path(url) as path:
        assert Path(path).read_text() == '{"a": 1}'
        assert Path(path).suffix == ".json"
    assert not Path(path).exists()
    assert fileio.copyfile_to_local(url, folder.parent) == str(folder.parent / "a.json")


def test_http_that_fails(served):
    folder, address = served
    (folder / "secret").write_text("s")
    with pytest.raises(FileNotFoundError, match=f"{address}/none: the server has no such file"):
        fileio.get(f"{address}/none")
    with pytest.raises(StorageError, match="answered 403 Forbidden"):
        fileio.get(f"{address}/secret")
    assert fileio.get(f"{address}/secret", backend_args={"headers": {"Authorization": "Bearer abc"}}) == b"s"
    with pytest.raises(StorageError, match="broke off"):
        fileio.get(f"{address}/cut.bin")
    with pytest.raises(StorageError, match="can't be reached"):
        fileio.get("http://127.0.0.1:9/a", backend_args={"timeout": 5})
    with pytest.raises(StorageError, match="must begin with http"):
        fileio.get("ftp://a", backend_args={"backend": "http"})
    with pytest.raises(NotImplementedError, match=r"HTTPBackend can't put .* override put\(\)"):
        fileio.put(b"", f"{address}/b")


@pytest.fixture
def archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as written:
        for name in ("ann/a.json", "ann/b.txt", "images/1.bin", "images/deep/2.bin"):
            written.writestr(name, json.dumps(name))
    return tmp_path / "data.zip"


@pytest.mark.parametrize("chained", [True, False])
def test_zip(archive, tmp_path, chained):
    arguments = None if chained else {"backend": "zip", "fo": str(archive)}

    def at(name):
        return f"zip://{name}::{archive}" if chained else name

    assert fileio.load(at("ann/a.json"), backend_args=arguments) == "ann/a.json"
    assert fileio.exists(at("ann"), backend_args=arguments)
    assert fileio.isdir(at("ann"), backend_args=arguments)
    assert not fileio.exists(at("none"), backend_args=arguments)
    assert fileio.join_path(at("ann"), "a.json", backend_args=arguments) == at("ann/a.json")
    found = fileio.list_dir_or_file(at("images"), list_dir=False, recursive=True, backend_args=arguments)
    assert list(found) == ["1.bin", "deep/2.bin"]
    with pytest.raises(FileNotFoundError):
        fileio.get(at("none"), backend_args=arguments)
    fileio.copytree_to_local(at("images"), tmp_path / "out", backend_args=arguments)
    assert (tmp_path / "out" / "deep" / "2.bin").read_text() == '"images/deep/2.bin"'


def test_zip_behind_http(served, archive):
    pytest.importorskip("aiohttp", reason="fsspec reads http by aiohttp")
    folder, address = served
    archive.rename(folder / "data.zip")
    assert fileio.load(f"zip://ann/a.json::simplecache::{address}/data.zip") == "ann/a.json"


def test_a_zip_that_leads_out_of_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as written:
        written.writestr("in/../../harm.txt", "x")
    backend = fileio.get_file_backend(f"zip://in::{tmp_path}/a.zip")
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match="leads out of"):
        backend.copytree_to_local(f"zip://in::{tmp_path}/a.zip", tmp_path / "out")
    assert not (tmp_path / "harm.txt").exists()


def _read(backend, name, results):
    results.put([backend.get(name) for _ in range(20)])


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # torch has threads, and so has fsspec
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_an_open_archive_is_not_shared_with_workers(archive, method):
    name = f"zip://ann/a.json::{archive}"
    backend = fileio.get_file_backend(name)
    assert backend.get(name) == b'"ann/a.json"'
    context = multiprocessing.get_context(method)
    results = context.Queue()
    workers = [context.Process(target=_read, args=(backend, name, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [[b'"ann/a.json"'] * 20] * 2
    for worker in workers:
        worker.join()


def exercise(root, tmp_path, backend_args=None):
    """All that a store that is written to can do."""
    given = {"backend_args": backend_args}
    at = lambda *parts: fileio.join_path(root, *parts, **given)  # noqa: E731 - short
    fileio.put(b"one", at("a", "1.bin"), **given)
    fileio.dump({"x": 1}, at("a", "b", "2.json"), **given)
    assert fileio.get(at("a", "1.bin"), **given) == b"one"
    assert fileio.load(at("a", "b", "2.json"), **given) == {"x": 1}
    assert list(fileio.list_dir_or_file(at("a"), **given)) == ["1.bin", "b"]
    assert list(fileio.list_dir_or_file(at("a"), list_dir=False, recursive=True, **given)) == ["1.bin", "b/2.json"]
    assert (fileio.isdir(at("a"), **given), fileio.isfile(at("a"), **given)) == (True, False)
    assert fileio.copyfile(at("a", "1.bin"), at("c.bin"), **given) == at("c.bin")
    assert fileio.copyfile(at("a", "1.bin"), at("a", "b"), **given) == at("a", "b", "1.bin")
    with pytest.raises(StorageError, match="same file"):
        fileio.copyfile(at("c.bin"), at("c.bin"), **given)
    fileio.copytree(at("a"), at("copy"), **given)
    with pytest.raises(FileExistsError):
        fileio.copytree(at("a"), at("copy"), **given)
    fileio.copytree_to_local(at("copy"), tmp_path / "local", **given)
    assert (tmp_path / "local" / "b" / "2.json").read_text() == '{"x": 1}'
    assert fileio.copyfile_to_local(at("c.bin"), tmp_path, **given) == str(tmp_path / "c.bin")
    assert fileio.copyfile_from_local(tmp_path / "c.bin", at("a"), **given) == at("a", "c.bin")
    fileio.copytree_from_local(tmp_path / "local", at("up"), **given)
    assert fileio.get(at("up", "b", "1.bin"), **given) == b"one"
    assert not fileio.copy_if_symlink_fails(at("up"), at("linked"), **given)
    assert fileio.exists(at("linked", "1.bin"), **given)
    with pytest.raises(IsADirectoryError):
        fileio.remove(at("up"), **given)
    with pytest.raises(FileNotFoundError):
        fileio.remove(at("none"), **given)
    with pytest.raises(FileNotFoundError):
        fileio.get(at("none"), **given)
    fileio.remove(at("c.bin"), **given)
    fileio.rmtree(at("up"), **given)
    assert not fileio.exists(at("c.bin"), **given)
    assert not fileio.exists(at("up"), **given)
    with fileio.get_local_path(at("a", "1.bin"), **given) as path:
        assert Path(path).read_bytes() == b"one"


def test_memory(tmp_path):
    exercise("memory://exercise", tmp_path)


def test_s3(tmp_path, monkeypatch):
    pytest.importorskip("s3fs", reason="needs s3fs")
    server_module = pytest.importorskip("moto.server", reason="needs moto[server]")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        arguments = {"endpoint_url": f"http://{host}:{port}", "key": "a", "secret": "b"}
        import s3fs

        s3fs.S3FileSystem(**arguments).mkdir("bucket")
        exercise("s3://bucket/store", tmp_path, arguments)
        url = fileio.generate_presigned_url("s3://bucket/store/a/1.bin", expires_in=60, backend_args=arguments)
        assert fileio.get(url) == b"one"
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as written:
            written.writestr("in.txt", "x")
        fileio.copyfile_from_local(tmp_path / "a.zip", "s3://bucket/a.zip", backend_args=arguments)
        chained = {"storage_options": {"s3": arguments}}
        assert fileio.get_text("zip://in.txt::s3://bucket/a.zip", backend_args=chained) == "x"
    finally:
        server.stop()


def test_lmdb(tmp_path):
    pytest.importorskip("lmdb", reason="needs lmdb")
    writer = fileio.LmdbBackend(tmp_path / "db", readonly=False, map_size=2**20)
    writer.put(b"value", "images/1")
    del writer
    arguments = {"backend": "lmdb", "db_path": str(tmp_path / "db")}
    assert fileio.get("images/1", backend_args=arguments) == b"value"
    assert fileio.get_text("images/1", backend_args=arguments) == "value"
    assert (fileio.exists("images/1", arguments), fileio.isfile("images/2", arguments)) == (True, False)
    with pytest.raises(FileNotFoundError, match="no such key"):
        fileio.get("images/2", backend_args=arguments)
    backend = fileio.get_file_backend(backend_args=arguments)
    assert pickle.loads(pickle.dumps(backend)).get("images/1") == b"value"


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        ("nope://a", None, "no storage backend 'nope'"),
        ("a", {"backend": "petrel"}, "'petrel' is left out; write the path as s3://"),
        ("a", {"backend": "memcached"}, "'memcached' is left out"),
        ("a", {"backend": "local", "key": "k"}, "'local' refuses its arguments"),
        ("http://a", {"key": "k"}, "'http' refuses its arguments: .*'key'"),
    ],
)
def test_a_backend_that_is_not_there(path, arguments, message):
    with pytest.raises(StorageError, match=message):
        fileio.get(path, backend_args=arguments)


def test_a_driver_that_is_not_installed():
    fsspec = pytest.importorskip("fsspec")
    fsspec.register_implementation("absent", "no_such_package.Absent", errtxt="install it", clobber=True)
    with pytest.raises(StorageError, match=r"absent:// needs what is not installed: pip install no_such_package"):
        fileio.get("absent://a")


def test_places_are_not_mixed_up(tmp_path):
    with pytest.raises(StorageError, match="lie in different places; copyfile_to_local"):
        fileio.copyfile("memory://a", tmp_path / "a")


class Upper(fileio.BaseStorageBackend):
    def __init__(self, tail=""):
        self.tail = tail

    def get(self, filepath):
        return f"{str(filepath).upper()}{self.tail}".encode()


def test_a_backend_of_ones_own():
    fileio.register_backend("upper", Upper, force=True, prefixes=["up", "upp"])
    assert fileio.get_text("up://a") == "UP://A"
    assert fileio.get("a", backend_args={"backend": "upper", "tail": "!"}) == b"A!"
    with pytest.raises(ValueError, match="'upper' is taken"):
        fileio.register_backend("upper", Upper)
    with pytest.raises(ValueError, match="'up' is taken"):
        fileio.register_backend("upper2", Upper, prefixes="up")
    with pytest.raises(TypeError, match="derives from BaseStorageBackend"):
        fileio.register_backend("other", dict)  # type: ignore[arg-type] # on purpose

    @fileio.register_backend("decorated", prefixes="deco")
    class Decorated(Upper):
        pass

    assert isinstance(fileio.get_file_backend("deco://a"), Decorated)
    one, other = (fileio.get_file_backend("up://a", enable_singleton=True) for _ in range(2))
    assert one is other
    assert fileio.get_file_backend("up://a") is not one


def test_a_backend_of_a_plugin():
    STORAGES.register_module(name="shelf", module=Upper)
    try:
        assert fileio.get("a", backend_args={"backend": "shelf", "storage_options": {"tail": "?"}}) == b"A?"
    finally:
        PROCESS_ENTRIES[:] = [entry for entry in PROCESS_ENTRIES if entry.name != "shelf"]


def test_a_path_or_a_name_is_needed():
    with pytest.raises(ValueError, match="give a uri"):
        fileio.get_file_backend()
    assert os.fspath(fileio.join_path("a", "b")) == str(Path("a", "b"))
