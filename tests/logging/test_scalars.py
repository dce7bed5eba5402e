from __future__ import annotations

import pytest

from runner.logging import read_scalars
from runner.logging.line_file import LineFile
from runner.visualization import LocalVisBackend


def launch(work_dir, stamp, lines):
    backend = LocalVisBackend(str(work_dir / stamp / "vis_data"))
    for step, values in lines:
        backend.add_scalars(values, step)
    backend.close()


def test_launches_are_merged_and_the_later_one_holds(tmp_path):
    launch(tmp_path, "20260102", [(20, {"loss": 0.5, "iter": 20}), (30, {"loss": 0.25, "iter": 30})])
    launch(tmp_path, "20260101", [(10, {"loss": 1.0, "iter": 10}), (1, {"acc": 0.5}), (20, {"loss": 9.0, "iter": 20})])
    with (tmp_path / "20260101" / "vis_data" / "scalars.json").open("a") as file:
        file.write('{"step": 40, "lo')
    assert read_scalars(tmp_path) == [
        {"mode": "train", "step": 10, "loss": 1.0, "iter": 10},
        {"mode": "train", "step": 20, "loss": 0.5, "iter": 20},
        {"mode": "train", "step": 30, "loss": 0.25, "iter": 30},
        {"mode": "val", "step": 1, "acc": 0.5},
    ]


def test_a_folder_without_scalars_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="is it a work directory"):
        read_scalars(tmp_path)


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path):
    path = tmp_path / "new" / "lines"
    file = LineFile(path)
    file.append("one")
    file.close()
    with path.open("a") as stream:
        stream.write("tw")
    LineFile(path).append("three")
    assert path.read_text() == "one\ntw\nthree\n"
