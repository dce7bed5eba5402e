from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from annotated import SIZE, Heavy, Measured, Numbers, annotations, nothing, often_nothing, take

from runner.dataset import BaseDataset, Compose, DataLoader, DefaultSampler, default_collate, force_full_init
from runner.errors import BuildError
from runner.registry import DATASETS, TRANSFORMS

KEPT = pytest.mark.parametrize("serialize", [True, False], ids=["serialized", "list"])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(annotations()))
    return path


# ---- the annotation file ---------------------------------------------------------------------------------------------


@KEPT
def test_a_file_a_prefix_and_a_pipeline(file, serialize):
    dataset = BaseDataset(
        file.name,
        data_root=str(file.parent),
        data_prefix={"img_path": "images"},
        serialize_data=serialize,
        pipeline=[dict],
    )
    assert len(dataset) == SIZE
    assert dataset[3] == {
        "img_path": str(file.parent / "images" / "3.png"), "number": 3, "cats": [1], "sample_idx": 3,
    }  # fmt: skip
    assert dataset[-1]["sample_idx"] == SIZE - 1
    assert dataset[-SIZE]["number"] == 0
    with pytest.raises(IndexError):
        dataset.get_data_info(SIZE)


@pytest.mark.parametrize("ending", ["json", "yaml", "pkl"])
def test_formats(tmp_path, ending):
    from ruamel.yaml import YAML

    path = tmp_path / f"annotations.{ending}"
    if ending == "pkl":
        path.write_bytes(pickle.dumps(annotations()))
    elif ending == "yaml":
        with path.open("w") as stream:
            YAML(typ="safe").dump(annotations(), stream)
    else:
        path.write_text(json.dumps(annotations()))
    dataset = BaseDataset(str(path))
    assert [dataset.get_data_info(index)["number"] for index in range(len(dataset))] == list(range(SIZE))


class Evil:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_pickle_runs_nothing(tmp_path, capsys):
    path = tmp_path / "annotations.pkl"
    path.write_bytes(pickle.dumps({"metainfo": {}, "data_list": [{"img_path": Evil()}]}))
    with pytest.raises(Exception, match=re.escape("print")):
        BaseDataset(str(path))
    assert "this ran" not in capsys.readouterr().out


def test_a_file_elsewhere():
    import fsspec

    fsspec.filesystem("memory").pipe("/annotated/a.json", json.dumps(annotations()).encode())
    dataset = BaseDataset("a.json", data_root="memory://annotated", data_prefix={"img_path": "images"})
    assert len(dataset) == SIZE
    assert dataset.get_data_info(0)["img_path"].endswith("annotated/images/0.png")
    assert BaseDataset("memory://annotated/a.json", data_root="/elsewhere").ann_file == "memory://annotated/a.json"


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ([], TypeError, "holds a list; an annotation file holds a mapping"),
        ({"data_list": []}, ValueError, "lacks 'metainfo'"),
        ({"metainfo": {}, "data_list": [{"path": "x"}]}, KeyError, "names 'img_path', which an entry of .* lacks: it has 'path'"),
    ],
)  # fmt: skip
def test_what_is_no_annotation_file(tmp_path, content, error, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(error, match=message):
        BaseDataset(str(path))


def test_what_is_known_of_the_data(file, tmp_path):
    class Known(BaseDataset):
        METAINFO: ClassVar = {"task": "class", "classes": ["x"]}

    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    names = str(tmp_path / "classes.txt")
    dataset = Known(str(file), metainfo={"classes": names, "palette": [1], "page": "https://example.invalid/x"})
    assert dataset.metainfo == {
        "task": "class", "classes": ["cat", "dog"], "palette": [1], "page": "https://example.invalid/x", "from": "file",
    }  # fmt: skip
    dataset.metainfo["palette"].append(2)
    assert dataset.metainfo["palette"] == [1]
    assert Known.METAINFO == {"task": "class", "classes": ["x"]}
    with pytest.raises(TypeError, match="metainfo is a list"):
        Known(str(file), metainfo=["x"])


def test_an_entry_may_be_several_samples_or_none(file):
    class Frames(BaseDataset):
        def parse_data_info(self, raw_data_info):
            return [{"frame": number} for number in range(raw_data_info["number"])]

    class Wrong(BaseDataset):
        def parse_data_info(self, raw_data_info):
            return [raw_data_info["number"]]

    assert len(Frames(str(file))) == sum(range(SIZE))
    with pytest.raises(TypeError, match=r"Wrong.parse_data_info\(\) returned a int"):
        Wrong(str(file))


# ---- parts of it -----------------------------------------------------------------------------------------------------


@KEPT
@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (3, [0, 1, 2]),
        (-3, [9, 10, 11]),
        (0, []),
        (100, list(range(12))),
        (-100, list(range(12))),
        ([5, 2, -1, 2], [5, 2, 11, 2]),
        ([], []),
    ],
)
def test_subsets(serialize, indices, expected):
    whole = Numbers(serialize_data=serialize, pipeline=[take])
    part = whole.get_subset(indices)
    again = Numbers(serialize_data=serialize, pipeline=[take])
    again.get_subset_(indices)
    given = Numbers(serialize_data=serialize, pipeline=[take], indices=indices)
    for dataset in (part, again, given):
        assert [int(dataset[index][0]) for index in range(len(dataset))] == expected
        assert [int(dataset[index][1]) for index in range(len(dataset))] == list(range(len(expected)))
        assert dataset.metainfo == whole.metainfo
    assert len(whole) == SIZE
    for wrong in ("3", 3.0):
        with pytest.raises(TypeError, match=f"indices is a {type(wrong).__name__}"):
            whole.get_subset_(wrong)


@KEPT
def test_a_sample_is_a_copy(serialize):
    dataset = Numbers(serialize_data=serialize)
    dataset.get_data_info(2)["number"] = "changed"
    part = dataset.get_subset([2, 3])
    part.get_data_info(0)["text"] = "changed"
    assert dataset.get_data_info(2) == {"number": 2, "text": "x" * 100, "sample_idx": 2}


def test_filtering_comes_before_indices():
    dataset = Numbers(filter_cfg={"least": 4}, indices=2, pipeline=[take])
    assert [int(dataset[index][0]) for index in range(len(dataset))] == [4, 5]


def test_lazy_and_forced(caplog):
    dataset = Numbers(lazy_init=True, pipeline=[take])
    assert dataset.metainfo == {"classes": ["a", "b"]}
    assert dataset.data_list == []
    assert len(dataset) == SIZE
    assert int(dataset[2][0]) == 2

    class Other:
        @force_full_init
        def use(self):
            return 1

    with pytest.raises(AttributeError, match="Other has no full_init"):
        Other().use()


def test_code_that_was_written_for_mmengine():
    """Subclasses override `full_init`, and set these two attributes there."""

    class Ported(Numbers):
        def full_init(self):
            if self._fully_initialized:
                return
            self.data_list = self.load_data_list()
            self.data_list = self._get_unserialized_subset(5)
            if self.serialize_data:
                self.data_bytes, self.data_address = self._serialize_data()
            self._fully_initialized = True

    dataset = Ported(pipeline=[take])
    assert [int(dataset[index][0]) for index in range(len(dataset))] == [0, 1, 2, 3, 4]
    assert isinstance(dataset.data_bytes, np.ndarray)
    first = dataset.data_address[0].item()
    assert pickle.loads(dataset.data_bytes[:first].tobytes())["number"] == 0
    copied = copy.deepcopy(dataset)
    assert np.shares_memory(copied.data_bytes, dataset.data_bytes), "the block of bytes is never copied"
    copied.data_bytes, copied.data_address = dataset._get_serialized_subset([3])
    assert (len(copied), int(copied[0][0]), len(dataset)) == (1, 3, 5)


# ---- samples that the pipeline gives up on ---------------------------------------------------------------------------


def test_another_sample_is_drawn_for_none():
    dataset = Numbers(pipeline=[often_nothing])
    np.random.seed(0)
    first = [int(dataset[0]) for _ in range(20)]
    np.random.seed(0)
    assert [int(dataset[0]) for _ in range(20)] == first
    assert len(set(first)) > 3


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_drawn_does_not_depend_on_what_came_before(workers):
    def make():
        dataset = Numbers(pipeline=[often_nothing])
        return DataLoader(
            dataset, 3, sampler=DefaultSampler(dataset, seed=1), seed=1, num_workers=workers, collate_fn=default_collate
        )

    expected = torch.cat(list(make())).flatten().tolist()
    loader = make()
    loader.seek(0, 6)
    assert torch.cat(list(loader)).flatten().tolist() == expected[6:]
    assert sorted(expected) != list(range(SIZE)), "some were drawn anew"


def test_giving_up():
    with pytest.raises(RuntimeError, match=r"None for sample 3 and for 7 others \(max_refetch\)"):
        Numbers(pipeline=[nothing], max_refetch=7)[3]
    with pytest.raises(RuntimeError, match="None for sample 3, and test_mode takes no other"):
        Numbers(pipeline=[nothing], test_mode=True)[3]


# ---- one copy for all workers ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_have_no_copy_of_their_own(method):
    # In a process whose allocator gives every large block a mapping of its own, which is what can be measured.
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        test = f"{__file__}::test_workers_have_no_copy_of_their_own[{method}]"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", test]
        done = subprocess.run(
            command,
            env={**environment, "MALLOC_MMAP_THRESHOLD_": "131072"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return
    dataset = Measured()
    size = len(dataset.data_bytes) // 1024
    view = dataset.data_bytes
    before = view.tobytes()
    loader = DataLoader(
        dataset, 1, sampler=DefaultSampler(range(2), shuffle=False), num_workers=2, multiprocessing_context=method,
        collate_fn=default_collate,
    )  # fmt: skip
    for own, resident in torch.cat(list(loader)).tolist():
        assert resident > 0.9 * size, "the whole block was read"
        assert own < 0.05 * size
    assert view.tobytes() == before, "what was looked at before is still there"


def test_to_a_file_and_back():
    dataset = pickle.loads(pickle.dumps(Numbers(pipeline=[take])))
    assert int(dataset[4][0]) == 4
    assert len(Heavy(indices=3)) == 3


# ---- the pipeline ----------------------------------------------------------------------------------------------------


def test_compose():
    TRANSFORMS.register_module("AddNumber", force=True, module=AddNumber)
    pipeline = Compose([{"type": "AddNumber", "number": 2}, AddNumber(3)])
    assert pipeline(1) == 6
    assert repr(pipeline) == "Compose(\n    AddNumber(2)\n    AddNumber(3)\n)"
    assert Compose(None)(5) == 5
    assert Compose([nothing, AddNumber(1)])(5) is None
    with pytest.raises(TypeError, match="transform 1 is a int"):
        Compose([dict, 3])


class AddNumber:
    def __init__(self, number):
        self.number = number

    def __call__(self, value):
        return value + self.number

    def __repr__(self):
        return f"AddNumber({self.number})"


def test_built_from_a_config(file):
    dataset = DATASETS.build({"type": "BaseDataset", "ann_file": str(file), "indices": 2})
    assert type(dataset) is BaseDataset
    assert len(dataset) == 2
    with pytest.raises(BuildError, match="no-such-file"):
        DATASETS.build({"type": "BaseDataset", "ann_file": "no-such-file.json"})
