"""Tar shards in an object store, read by workers, and gone on from in the middle."""

from __future__ import annotations

import io
import itertools
import tarfile

import pytest

from runner.dataset import DataLoader

s3fs = pytest.importorskip("s3fs")
TarShards = pytest.importorskip("runner_streaming.dataset").TarShards
write_index = pytest.importorskip("runner_streaming.index").write_index

COUNTS = 5, 8, 2


@pytest.fixture
def shards(account):
    """As a user has it: credentials in the environment, URLs in the config."""
    s3fs.S3FileSystem.clear_instance_cache()  # whose address and listings may be another test's
    number = 0
    for shard, count in enumerate(COUNTS):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            for each in range(number, number + count):
                info = tarfile.TarInfo(f"{each:03d}.id")
                info.size = len(str(each))
                tar.addfile(info, io.BytesIO(str(each).encode()))
        account.write(f"shards/{shard}.tar", file.getvalue())
        number += count
    write_index(f"{account.bucket}/shards/*.tar", f"{account.bucket}/shards/index.json")
    yield f"{account.bucket}/shards/index.json"
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_in_an_object_store(shards, workers):
    def make():
        return DataLoader(TarShards(shards, ["id"], shuffle=True, buffer=3), 2, num_workers=workers, seed=3)

    expected = [batch[0].tolist() for batch in make()]
    assert sorted(itertools.chain(*expected)) == list(range(sum(COUNTS)))
    saving = make()
    reader = iter(saving)
    for _ in range(3):
        next(reader)
    loader = make()
    assert loader.load_state_dict(saving.state_dict()) == []
    assert [batch[0].tolist() for batch in loader] == expected[3:]
