"""What is found, read and decoded, and what is refused."""

from __future__ import annotations

import io
import json
import os
import pickle

import numpy as np
import PIL.Image
import pytest
import torch
from streaming_tars import tar_of

from runner_streaming.dataset import TarShards
from runner_streaming.errors import ShardError
from runner_streaming.index import main


def png(*shape):
    file = io.BytesIO()
    PIL.Image.fromarray(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)).save(file, "png")
    return file.getvalue()


def saved(value, save):
    file = io.BytesIO()
    save(file, value)
    return file.getvalue()


@pytest.fixture
def shard(tmp_path):
    """Writes one shard of the samples given; returns its path."""

    def write(*samples, cut=0):
        content = tar_of(samples)
        (tmp_path / "shard.tar").write_bytes(content[: len(content) - cut])
        return str(tmp_path / "shard.tar")

    return write


class TestDecoding:
    def test_fields_are_a_tuple(self, shard):
        path = shard(("a", {"PNG": png(2, 3), "cls": b"7"}), ("b", {"jpg": png(4, 5), "cls": b"1"}))
        first, second = TarShards(path, ["jpg;png", "cls"])
        assert (first[0].size, first[0].mode, first[1]) == ((3, 2), "RGB", 7)
        assert second[0].size == (5, 4)

    def test_a_mapping_of_all(self, shard):
        parts = {
            "txt": "ä".encode(),
            "json": b'{"a": [1]}',
            "npy": saved(np.arange(3), np.save),
            "pth": saved(torch.ones(2), lambda file, value: torch.save(value, file)),
            "left.cls": b"3",
            "bin": b"\0\1",
        }
        (sample,) = TarShards(shard(("some/key", parts), ("__meta__/x", {"txt": b"no sample"})))
        assert sample.pop("npy").tolist() == [0, 1, 2]
        assert sample.pop("pth").tolist() == [1, 1]
        expected = {"__key__": "some/key", "txt": "ä", "json": {"a": [1]}, "left.cls": 3, "bin": b"\0\1"}
        assert sample == expected

    @pytest.mark.parametrize(
        ("images", "shape", "kind"),
        [
            ("l8", (2, 3), np.ndarray),
            ("rgb", (2, 3, 3), np.ndarray),
            ("torchrgb", (3, 2, 3), torch.Tensor),
            ("torchl", (2, 3), torch.Tensor),
            (None, (), bytes),
        ],
    )
    def test_what_images_become(self, shard, images, shape, kind):
        ((image,),) = TarShards(shard(("a", {"png": png(2, 3)})), ["png"], images=images)
        assert isinstance(image, kind)
        assert getattr(image, "shape", ()) == shape

    def test_transforms_are_done_to_the_first_field(self, shard):
        path = shard(("a", {"id": b"3", "cls": b"1"}))
        assert list(TarShards(path, ["id", "cls"], transform=[lambda value: value + 1, str])) == [("4", 1)]
        assert list(TarShards(path, transform=lambda sample: sample["cls"])) == [1]


class Evil:
    def __reduce__(self):
        return os.abort, ()


class TestRefused:
    @pytest.mark.parametrize("ending", ["pkl", "pickle", "pyd", "pth", "npy"])
    def test_nothing_in_a_shard_is_executed(self, shard, ending):
        content = saved(np.array([Evil()], dtype=object), np.save) if ending == "npy" else pickle.dumps(Evil())
        with pytest.raises(ShardError, match=rf"shard\.tar: a\.{ending} (is a pickle|can't be read)"):
            list(TarShards(shard(("a", {ending: content}))))

    def test_a_shell_command_is_a_file_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ShardError, match="pipe:touch made: can't be read"):
            list(TarShards("pipe:touch made"))
        assert not list(tmp_path.iterdir())
        with pytest.raises(ShardError, match="a shard is a path, or a URL that fsspec reads"):
            list(TarShards("nowhere://shard.tar"))

    def test_a_field_that_is_not_there(self, shard):
        with pytest.raises(ShardError, match=r"'a' has no jpg or png; it has cls"):
            list(TarShards(shard(("a", {"cls": b"1"})), ["jpg;png"]))

    def test_what_is_not_what_its_name_says(self, shard):
        with pytest.raises(ShardError, match=r"a\.cls can't be read as cls"):
            list(TarShards(shard(("a", {"cls": b"x"}))))

    def test_the_same_file_twice(self, shard):
        with pytest.raises(ShardError, match=r"a\.cls is there twice"):
            list(TarShards(shard(("a", {"cls": b"1", "CLS": b"1"}))))

    @pytest.mark.parametrize("cut", [10240 - 2048, 10240 - 1536, 10240 - 512])
    def test_a_shard_that_is_cut_off(self, shard, cut):
        samples = [("a", {"id": b"1" * 400}), ("b", {"id": b"2" * 400})]
        with pytest.raises(ShardError, match=r"shard\.tar"):
            list(TarShards(shard(*samples, cut=cut), ["id"]))

    def test_a_damaged_header_is_not_taken_for_the_end(self, tmp_path):
        content = bytearray(tar_of([("a", {"id": b"1"}), ("b", {"id": b"2"})]))
        content[1024 + 150] ^= 1
        (tmp_path / "shard.tar").write_bytes(content)
        with pytest.raises(ShardError, match="damaged or cut off at byte 1024"):
            list(TarShards(f"{tmp_path}/shard.tar"))

    def test_no_such_shard(self, tmp_path):
        with pytest.raises(ShardError, match=r"absent\.tar: can't be read"):
            list(TarShards(f"{tmp_path}/absent.tar"))
        with pytest.raises(ShardError, match="no shards there"):
            TarShards(f"{tmp_path}/*.tar")

    @pytest.mark.parametrize("text", ["[]", "{", '{"shardlist": [{"url": "a"}]}'])
    def test_what_is_no_index(self, tmp_path, text):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ShardError, match="this is no index of shards"):
            TarShards(f"{tmp_path}/index.json")

    @pytest.mark.parametrize(("told", "found"), [(2, "more than 2"), (4, "no more than 3")])
    def test_an_index_that_is_wrong(self, write_shards, tmp_path, told, found):
        path = write_shards(3)
        content = json.loads((tmp_path / "shards" / "index.json").read_text())
        content["shardlist"][0]["nsamples"] = told
        (tmp_path / "shards" / "index.json").write_text(json.dumps(content))
        with pytest.raises(ShardError, match=found):
            list(TarShards(path))

    def test_lengths_that_are_not_known(self, write_shards):
        with pytest.raises(TypeError, match="give an index"):
            len(TarShards(write_shards(3, index=False)))
        with pytest.raises(TypeError, match="has no length"):
            len(TarShards(write_shards(3), endless=True))
        assert len(TarShards(write_shards(3, 4))) == 7


def test_an_index_from_the_command_line(write_shards, tmp_path, capsys, monkeypatch):
    write_shards(3, 0, 4, index=False)
    monkeypatch.chdir(tmp_path)
    main(["shards/{000..002}.tar", "--out", "shards/index.json"])
    assert capsys.readouterr().out == "shards/index.json: 7 samples\n"
    told = json.loads((tmp_path / "shards" / "index.json").read_text())["shardlist"]
    assert told == [{"url": f"{number:03d}.tar", "nsamples": count} for number, count in enumerate((3, 0, 4))]
    assert [int(sample["id"]) for sample in TarShards("shards/index.json")] == list(range(7))
