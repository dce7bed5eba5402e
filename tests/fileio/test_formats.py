from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from runner import StorageError, fileio

DATA = {"b": [1, 2.5, None, True], "a": {"x": "no", "ä": "2001-01-01"}}


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.yml", "a.pkl", "a.pickle"])
def test_what_is_written_is_read(tmp_path, name):
    fileio.dump(DATA, tmp_path / name)
    assert fileio.load(str(tmp_path / name)) == DATA
    file_format = name.rpartition(".")[2]
    written = fileio.dump(DATA, file_format=file_format)
    opened = io.BytesIO(written) if isinstance(written, bytes) else io.StringIO(written)
    assert fileio.load(opened, file_format=file_format) == DATA
    out = io.BytesIO() if isinstance(written, bytes) else io.StringIO()
    fileio.dump(DATA, out, file_format=file_format)
    assert out.getvalue() == written


@pytest.mark.parametrize("file_format", ["json", "yaml"])
def test_numpys_numbers_become_plain(tmp_path, file_format):
    file = tmp_path / f"a.{file_format}"
    fileio.dump({"array": np.arange(3), "number": np.float32(0.5), "set": {1}, "range": range(2)}, file)
    assert fileio.load(file) == {"array": [0, 1, 2], "number": 0.5, "set": [1], "range": [0, 1]}


def test_options_of_formats(tmp_path):
    assert fileio.dump({"b": 1, "a": [1]}, file_format="json", indent=1) == '{\n "b": 1,\n "a": [\n  1\n ]\n}'
    assert fileio.dump({"b": 1, "a": [1]}, file_format="yaml") == "a:\n- 1\nb: 1\n"
    assert fileio.dump({"b": 1, "a": 2}, file_format="yaml", sort_keys=False) == "b: 1\na: 2\n"
    assert fileio.dump({"a": [1]}, file_format="yaml", default_flow_style=True) == "{a: [1]}\n"
    with pytest.raises(TypeError, match="'Loader' is no option"):
        fileio.load(io.StringIO("a: 1"), file_format="yaml", Loader=None)


def test_formats_that_are_not_there(tmp_path):
    with pytest.raises(TypeError, match="'csv' is no format that can be read"):
        fileio.load("a.csv")
    with pytest.raises(ValueError, match="give a file_format"):
        fileio.dump(DATA)
    with pytest.raises(TypeError, match="object can't be written"):
        fileio.dump({"a": object()}, tmp_path / "a.json")
    assert not any(tmp_path.iterdir())


def test_damaged_text_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(StorageError, match=r"a\.json can't be read as json: Expecting value: line 1"):
        fileio.load(tmp_path / "a.json")


def test_yaml_builds_no_objects():
    with pytest.raises(Exception, match="could not determine a constructor for the tag"):
        fileio.load(io.StringIO("!!python/object/apply:os.system ['true']"), file_format="yaml")


def test_a_format_of_ones_own(tmp_path):
    @fileio.register_handler(["lines", "rows"], separator="|")
    class LinesHandler(fileio.BaseFileHandler):
        def __init__(self, separator):
            self.separator = separator

        def load_from_fileobj(self, file, **kwargs):
            return file.read().split(self.separator)

        def dump_to_fileobj(self, obj, file, **kwargs):
            file.write(self.dump_to_str(obj))

        def dump_to_str(self, obj, **kwargs):
            return self.separator.join(obj)

    fileio.dump(["a", "b"], tmp_path / "a.rows")
    assert (tmp_path / "a.rows").read_text() == "a|b"
    assert fileio.load(tmp_path / "a.rows") == ["a", "b"]


def test_the_older_name_of_backend_args(tmp_path):
    (tmp_path / "a.json").write_text("1")
    with pytest.warns(DeprecationWarning, match="backend_args"):
        assert fileio.load(tmp_path / "a.json", file_client_args={"backend": "disk"}) == 1
    with pytest.raises(ValueError, match="give one of them"):
        fileio.list_from_file(tmp_path / "a.json", file_client_args={}, backend_args={})


ARRAYS = {
    "matrix": np.arange(6).reshape(2, 3),
    "Fortran's": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big end first": np.arange(3, dtype=">i4"),
    "texts": np.array(["ab", "c"]),
    "bytes": np.array([b"ab", b"c"]),
    "empty": np.zeros((0, 3)),
    "empty texts": np.array(["", ""]),
    "of none": np.array(3),
    "truth": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "times": np.array(["2020-01-01"], dtype="M8[ns]"),
    "spans": np.array([3], dtype="m8[25s]"),
    "objects": np.array([[1, 2], "x", None, np.arange(2)], dtype=object),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ARRAYS)
def test_pickled_arrays(name, protocol):
    array = ARRAYS[name]
    shared = [array, (array, {array.ndim: array})]
    first, (second, mapping) = fileio.load_plain_pickle(pickle.dumps(shared, protocol))
    assert type(first) is np.ndarray
    assert (first.dtype, first.shape, first.flags.writeable) == (array.dtype, array.shape, True)
    assert first.flags.f_contiguous == array.flags.f_contiguous
    assert str(first.tolist()) == str(array.tolist())
    assert first is second is mapping[array.ndim]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_plain_data(protocol):
    data = {
        np.int64(3): np.float32(0.5),
        "set": {1, (2, 3)},
        "frozen": frozenset({np.bool_(True)}),
        "ordered": OrderedDict(a=b"bytes", b=bytearray(b"x")),
        "others": [1 + 2j, range(3), slice(1, 2), 2**100, b"", np.dtype("f4"), np.str_("s")],
    }
    data["itself"] = data  # type: ignore[assignment] # a cycle
    loaded = fileio.load_plain_pickle(pickle.dumps(data, protocol))
    assert loaded.pop("itself") is loaded
    del data["itself"]
    assert loaded == data
    assert [type(each) for each in loaded] == [type(each) for each in data]


class Calls:
    """Would call something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Own:
    pass


HARMFUL = {
    "a command": Calls(os.system, "touch harm"),
    "eval": Calls(eval, "1"),
    "getattr": Calls(getattr, 1, "real"),
    "a file": Calls(open, "harm", "w"),
    "an object": Own(),
    "an import": Calls(__import__, "os"),
    "an array of records": np.zeros(1, dtype=[("a", "i4"), ("b", "O")]),
}


@pytest.mark.parametrize("name", HARMFUL)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_asks_for_more_is_refused(tmp_path, monkeypatch, name, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([HARMFUL[name]], protocol))
    with pytest.raises(StorageError, match=r"a\.pkl asks for|holds an array of type"):
        fileio.load(tmp_path / "a.pkl")
    assert [each.name for each in tmp_path.iterdir()] == ["a.pkl"]


WRITTEN_BY_HAND = {
    "persistent": b"Pname\n.",
    "encoding": b"c_codecs\nencode\n(Vx\nVutf-7\ntR.",
    "wrong length": b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(Vf8\ntRVx\ntR.",
    "no type": b"cnumpy._core.multiarray\nscalar\n(Vf8\nVx\ntR.",
    "subtype": b"cnumpy._core.multiarray\n_reconstruct\n(I1\nI2\ntR.",
    "negative": b"cnumpy._core.numeric\n_frombuffer\n(Vx\ncnumpy\ndtype\n(Vu1\ntR(I-1\ntVC\ntR.",
    "calls the class": b"cnumpy\nndarray\n(I3\ntR.",
    "cut": pickle.dumps(list(range(100)))[:-7],
    "no pickle": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize("name", WRITTEN_BY_HAND)
def test_a_pickle_that_is_none(name):
    with pytest.raises(StorageError, match="pickle"):
        fileio.load_plain_pickle(WRITTEN_BY_HAND[name])


def test_a_pickle_of_python_2():
    old = b"(dp0\nS'data'\np1\nS'\\xe9'\np2\ns."
    assert fileio.load(io.BytesIO(old), file_format="pkl", encoding="latin1") == {"data": "é"}
