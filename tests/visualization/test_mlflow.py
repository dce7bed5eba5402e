"""A real store, read back through MLflow's own client."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runner.visualization import MLflowVisBackend

pytest.importorskip("mlflow", reason="MLflow is not installed")
pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")

pytestmark = [
    pytest.mark.slow,
    # Of its own and of its dependencies' next releases.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
]

STEPS = list(range(1, 13))


def client_of(folder):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs_in(folder, name="Default"):
    """The runs of a store, the first one first."""
    client = client_of(folder)
    experiment = client.get_experiment_by_name(name)
    return client, sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.start_time)


def curve(client, run, name):
    history = client.get_metric_history(run.info.run_id, name)
    return sorted((each.step, each.value) for each in history)


def test_what_a_run_logs_is_in_the_store(launch):
    runner = launch(
        {
            "type": "MLflowVisBackend",
            "exp_name": "toys",
            "run_name": "first",
            "tags": {"team": "a"},
            "params": {"depth": 3},
            "tracked_config_keys": ["vars"],
        }
    )
    folder = Path(runner.log_dir, "vis_data")
    client, (run,) = runs_in(folder, "toys")
    assert [step for step, _ in curve(client, run, "loss")] == STEPS
    assert [step for step, _ in curve(client, run, "toy/mean")] == [4, 8, 12]
    assert curve(client, run, "lr") == [(step, 0.1) for step in STEPS]
    assert (run.info.run_name, run.info.status, run.data.tags["team"]) == ("first", "FINISHED", "a")
    assert run.data.params == {"vars.note": "kept", "vars.list": "[1, 2]", "depth": "3"}
    files = {each.path for each in client.list_artifacts(run.info.run_id)}
    launched = Path(runner.log_dir).name
    assert {"config.yaml", launched, f"{launched}.yaml"} <= files
    assert f"{launched}/{launched}.log" in {each.path for each in client.list_artifacts(run.info.run_id, launched)}


def test_images_and_the_module_itself(tmp_path):
    import mlflow

    backend = MLflowVisBackend(str(tmp_path / "launch" / "vis_data"), artifact_suffix=".none")
    backend.add_image("a/b", np.full((2, 3, 3), 9, np.uint8), 4)
    backend.experiment.log_metric("by hand", 2.0, step=1)
    backend.add_scalar("odd(name)", 1.0)
    backend.close()
    assert mlflow.active_run() is None
    backend.add_scalar("later", 1.0)
    backend.close()
    client, (run,) = runs_in(backend.folder)
    assert run.data.metrics == {"by hand": 2.0, "odd_name_": 1.0, "later": 1.0}
    assert [each.path for each in client.list_artifacts(run.info.run_id, "images/a")] == ["images/a/b_4.png"]
    assert run.info.status == "FINISHED"


@pytest.fixture
def backend():
    return {"type": "MLflowVisBackend", "artifact_suffix": ".none", "tracked_config_keys": []}


def test_a_run_that_stopped_at_a_checkpoint_is_the_same_run(launch, backend):
    whole = launch(backend, work_dir="whole")
    client, (expected,) = runs_in(f"{whole.log_dir}/vis_data")
    halted = launch(backend, halt_at=6)  # of the sixth step nothing is logged yet
    resumed = launch(backend, resume=True)
    folder = f"{halted.log_dir}/vis_data"
    same_client, (run,) = runs_in(folder)
    for name in ("loss", "toy/mean", "iter"):
        assert curve(same_client, run, name) == curve(client, expected, name)
    assert run.info.status == "FINISHED"
    assert not Path(resumed.log_dir, "vis_data", "mlflow.db").exists()


def test_after_a_kill_a_new_run_holds_the_whole_curve(launch, backend):
    whole = launch(backend, work_dir="whole")
    client, (expected,) = runs_in(f"{whole.log_dir}/vis_data")
    halted = launch(backend, halt_at=9)
    launch(backend, resume=True)
    same_client, (cut_off, run) = runs_in(f"{halted.log_dir}/vis_data")
    for name in ("loss", "toy/mean", "iter"):
        assert curve(same_client, run, name) == curve(client, expected, name)
    assert [step for step, _ in curve(same_client, cut_off, "loss")] == STEPS[:8]
    assert run.data.tags["runner.continues"] == cut_off.info.run_id


def test_in_another_work_directory_it_is_another_run_in_another_store(launch, backend):
    halted = launch(backend, halt_at=6)
    checkpoint = next(Path(halted.work_dir).glob("iter_5*"))
    branch = launch(backend, work_dir="branch", resume=str(checkpoint))
    client, (run,) = runs_in(f"{branch.log_dir}/vis_data")
    assert [step for step, _ in curve(client, run, "loss")] == STEPS
    _, (other,) = runs_in(f"{halted.log_dir}/vis_data")
    assert other.info.run_id != run.info.run_id


def test_nothing_is_left_in_the_current_folder(launch, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    runner = launch({"type": "MLflowVisBackend"})
    backend = runner.visualizer.get_backend("MLflowVisBackend")
    assert not list(here.iterdir())
    assert list((backend.folder / "mlartifacts").rglob("config.yaml"))
