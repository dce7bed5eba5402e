from __future__ import annotations

import numpy as np
import pytest

from runner.visualization import TensorboardVisBackend

pytest.importorskip("tensorboard", reason="TensorBoard is not installed")

STEPS = list(range(1, 13))


def read(folder):
    """The scalars in a folder, {name: [(step, value)]}, and what else there is, by a reader that is not ours."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()
    scalars = {
        name: [(each.step, each.value) for each in accumulator.Scalars(name)] for name in accumulator.Tags()["scalars"]
    }
    return scalars, accumulator


def test_what_a_run_logs_is_in_tensorboards_files(launch):
    runner = launch({"type": "TensorboardVisBackend"})
    scalars, accumulator = read(f"{runner.log_dir}/vis_data")
    assert [step for step, _ in scalars["loss"]] == STEPS
    assert [step for step, _ in scalars["toy/mean"]] == [4, 8, 12]
    assert scalars["loss"][0][1] > scalars["loss"][-1][1]
    assert scalars["lr"] == [(step, pytest.approx(0.1)) for step in STEPS]
    (text,) = accumulator.Tensors("config/text_summary")
    assert b"note: kept" in text.tensor_proto.string_val[0]


def test_images(tmp_path):
    backend = TensorboardVisBackend(str(tmp_path))
    backend.add_image("color", np.full((3, 5, 3), 7, np.uint8), 2)
    backend.add_image("grey", np.full((4, 6), 7, np.uint8))
    assert backend.experiment.log_dir == str(tmp_path)
    backend.close()
    _, accumulator = read(tmp_path)
    (color,), (grey,) = accumulator.Images("color"), accumulator.Images("grey")
    assert (color.step, color.width, color.height) == (2, 5, 3)
    assert (grey.width, grey.height) == (6, 4)


def test_a_resumed_launchs_folder_holds_the_whole_curve(launch):
    backend = {"type": "TensorboardVisBackend"}
    whole = launch(backend, work_dir="whole")
    halted = launch(backend, halt_at=9)
    resumed = launch(backend, resume=True)
    expected, _ = read(f"{whole.log_dir}/vis_data")
    scalars, _ = read(f"{resumed.log_dir}/vis_data")
    for name in ("loss", "lr", "toy/mean", "iter"):
        assert scalars[name] == expected[name], name
    before, _ = read(f"{halted.log_dir}/vis_data")
    assert [step for step, _ in before["loss"]] == STEPS[:8]  # which stays as it was


def test_going_back_within_a_launch_leaves_no_step_twice(launch):
    backend = {"type": "TensorboardVisBackend"}
    launch(backend, halt_at=9, stamp="same")
    resumed = launch(backend, resume=True, stamp="same")
    scalars, _ = read(f"{resumed.log_dir}/vis_data")
    assert [step for step, _ in scalars["loss"]] == STEPS


def test_curves_whose_beginning_is_gone_begin_where_the_run_goes_on(launch, tmp_path):
    import shutil

    backend = {"type": "TensorboardVisBackend"}
    shutil.rmtree(launch(backend, halt_at=9).log_dir)
    resumed = launch(backend, resume=True)
    scalars, _ = read(f"{resumed.log_dir}/vis_data")
    assert [step for step, _ in scalars["loss"]] == STEPS[5:]
    assert "earlier files are no longer in" in next((tmp_path / "work").glob("*/*.log")).read_text()


def test_a_scalar_is_a_number(tmp_path):
    with pytest.raises(TypeError, match="scalar 'a' must be a number, got str"):
        TensorboardVisBackend(str(tmp_path)).add_scalar("a", "1")
