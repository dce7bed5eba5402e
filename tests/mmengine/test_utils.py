"""Small functions against MMEngine's, with the same arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("mmengine")

from mmengine import utils as theirs
from mmengine.utils import dl_utils as their_dl_utils

from runner import utils as ours
from runner.utils import dl_utils as our_dl_utils

VERSIONS = """
    1.0 1.10.1 2 2.3.4.5.6 1.0a1 1.0.0b2 1.0rc3 1.0rc 1.0.dev4 1.0a1.dev2 1.0.post1 1.0-1 1.0post 1.0.post1.dev2 v1.2 1!2.0
    2.2.2+cu118 2.13.0+cpu 1.0alpha2 1.0-beta.3 1.0c1 1.0preview1 1.0.rev3
"""


@pytest.mark.parametrize("version", VERSIONS.split())
@pytest.mark.parametrize("length", [4, 2])
def test_versions(version, length):
    assert ours.digit_version(version, length) == theirs.digit_version(version, length)


DATA = [[1, 2], (1, 2), "ab", [1, "a"], {1, 2}, 3, None, []]


@pytest.mark.parametrize("data", DATA, ids=str)
def test_sequences(data):
    for name in ("is_seq_of", "is_list_of", "is_tuple_of"):
        for kind in (int, str, (int, str)):
            assert getattr(ours, name)(data, kind) == getattr(theirs, name)(data, kind)
    assert ours.to_2tuple(data) == theirs.to_2tuple(data)


def test_images():
    tensor = torch.rand(2, 3, 4, 5)
    for to_bgr in (True, False):
        arguments = {"mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 3.0), "to_bgr": to_bgr}
        for mine, their in zip(
            our_dl_utils.tensor2imgs(tensor, **arguments), their_dl_utils.tensor2imgs(tensor, **arguments), strict=True
        ):
            assert (mine == their).all()


def test_every_name_is_there_or_in_the_docs():
    text = Path(__file__).parents[2].joinpath("docs", "files.md").read_text(encoding="utf-8")
    missing = {*theirs.__all__, *their_dl_utils.__all__} - {*ours.__all__, *our_dl_utils.__all__}
    assert {name for name in missing if f"`{name}`" not in text} == set()
