"""Keeps scalars, images, the config and the logs in an MLflow store."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from runner.logging import print_log
from runner.masking import mask_texts
from runner.visualization.continuing import as_written, earlier_folder, remembered_folder
from runner.visualization.optional import require
from runner.visualization.png import encode_png
from runner.visualization.vis_backend import BaseVisBackend, as_number

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from runner.config import Config

__all__ = ["MLflowVisBackend"]

_AT_ONCE: Final = 500
"""Values sent together; MLflow takes 1000 at most."""

_PARAMS_AT_ONCE: Final = 100
_LONGEST_PARAM: Final = 6000
_SECONDS: Final = 1.0
"""How long values wait for others to be sent with."""

_NOT_IN_NAMES: Final = re.compile(r"[^\w\-. :/]")


class MLflowVisBackend(BaseVisBackend):
    """Keeps scalars, images, the config and the logs as a run in an MLflow store.

    Without `tracking_uri` the store is a file in the run's folder, `mlflow.db`, which
    `mlflow ui --backend-store-uri sqlite:///…/mlflow.db` shows. Values are sent together, each second at most. A resumed
    launch goes on with the run, in its store. Where values were logged after the checkpoint (before a kill), which MLflow
    can't take back, it goes on as a new run, which begins with all values that the other had when the checkpoint was saved.

    Args:
        save_dir: The folder of the store; None takes the visualizer's.
        exp_name: The experiment, made if it is not there; by default `Default`.
        run_name: The run's name.
        tags: The run's tags.
        params: The run's parameters beside those of the config.
        tracking_uri: The store: a server's address, or a database's.
        artifact_suffix: Which files of the work directory and of this launch are kept with the run at its end: those
            whose names end so.
        tracked_config_keys: The fields of the config that become parameters; by default all.
        artifact_location: Where a new experiment keeps files; by default beside the local store, and where a server likes.
    """

    def __init__(
        self,
        save_dir: str | None = None,
        exp_name: str | None = None,
        run_name: str | None = None,
        tags: dict[str, str] | None = None,
        params: dict[str, Any] | None = None,
        tracking_uri: str | None = None,
        artifact_suffix: str | Sequence[str] = (".json", ".log", ".py", "yaml"),
        tracked_config_keys: Sequence[str] | None = None,
        artifact_location: str | None = None,
    ) -> None:
        require("mlflow", "MLflowVisBackend")
        super().__init__(save_dir)
        self._exp_name = exp_name or "Default"
        self._run_name = run_name
        self._tags = mask_texts(dict(tags or {}))
        self._params = mask_texts(dict(params or {}))
        self._tracking_uri = tracking_uri
        self._artifact_suffix = (artifact_suffix,) if isinstance(artifact_suffix, str) else tuple(artifact_suffix)
        self._tracked_config_keys = tracked_config_keys
        self._artifact_location = artifact_location
        self._client: MlflowClient | None = None
        self._run_id: str | None = None
        self._store: Path | None = None
        self._config: Config | None = None
        self._earlier: Mapping[str, Any] | None = None
        self._waiting: list[Metric] = []
        self._sent = 0.0
        self._stamp = 0
        self._activated = False

    # ---- the run -----------------------------------------------------------------------------------------------------

    @property
    def tracking_uri(self) -> str:
        """The store's address."""
        return self._tracking_uri or _local_uri(self._store or self.folder)

    def _begin(self) -> tuple[MlflowClient, str]:
        """The client and the run's identity, made when something is first added."""
        if self._client is None or self._run_id is None:
            from mlflow import MlflowClient

            self.folder.mkdir(parents=True, exist_ok=True)
            state, self._earlier = self._earlier, None
            source = self._source(state) if state else None
            if self._tracking_uri is None:
                _make_store(self.tracking_uri, (self._store or self.folder).absolute())
            self._client = client = MlflowClient(self.tracking_uri)
            if source is not None and state is not None:
                self._go_on(client, *source, state)
            if self._run_id is None:
                self._run_id = self._new_run(client)
            else:
                client.update_run(self._run_id, status="RUNNING")
            self._send_facts(client, self._run_id)
        return self._client, self._run_id

    def _new_run(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self._exp_name)
        if found is None:
            place = self._artifact_location
            if place is None and self._tracking_uri is None:
                place = ((self._store or self.folder).absolute() / "mlartifacts").as_uri()
            experiment = client.create_experiment(self._exp_name, artifact_location=place)
        else:
            experiment = found.experiment_id
        run_id: str = client.create_run(experiment, run_name=self._run_name).info.run_id
        return run_id

    def _send_facts(self, client: MlflowClient, run_id: str) -> None:
        """Tags, parameters and the config; what the run has already stays, since MLflow's parameters can't change."""
        from mlflow.entities import Param

        for name, value in self._tags.items():
            client.set_tag(run_id, name, value)
        config, self._config = self._config, None
        params = dict(self._params)
        if config is not None:
            client.log_text(run_id, config.pretty_text, "config.yaml")
            data = as_written(config)
            keys = data.keys() if self._tracked_config_keys is None else self._tracked_config_keys
            params = {**_flattened({key: data[key] for key in keys if key in data}), **params}
        known = client.get_run(run_id).data.params
        named = {_NOT_IN_NAMES.sub("_", str(name)): str(value)[:_LONGEST_PARAM] for name, value in params.items()}
        new = [Param(name, value) for name, value in named.items() if name not in known]
        for begin in range(0, len(new), _PARAMS_AT_ONCE):
            client.log_batch(run_id, params=new[begin : begin + _PARAMS_AT_ONCE])

    @property
    def run_id(self) -> str:
        """The run's identity."""
        return self._begin()[1]

    @property
    def experiment(self) -> Any:
        """The module `mlflow`, whose store is this one and whose active run this one is, until `close`."""
        import mlflow

        _, run_id = self._begin()
        mlflow.set_tracking_uri(self.tracking_uri)
        active = mlflow.active_run()
        if active is None or active.info.run_id != run_id:
            mlflow.start_run(run_id)
            self._activated = True
        return mlflow

    # ---- what is kept ------------------------------------------------------------------------------------------------

    def add_config(self, config: Config) -> None:
        """Keep the config, as parameters and as a file; it is sent when the run begins.

        Args:
            config: The run's config. What the environment brought in stays a reference.
        """
        self._config = config
        if self._client is not None:
            self._send_facts(*self._begin())

    def add_image(self, name: str, image: np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep an image as the file `images/NAME_STEP.png` of the run.

        Args:
            name: Its name.
            image: Grey (H, W) or RGB (H, W, 3), uint8.
            step: The iteration or epoch that it belongs to.
        """
        client, run_id = self._begin()
        *folders, last = Path(name).parts
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"{last}_{step}.png")
            file.write_bytes(encode_png(np.asarray(image)))
            client.log_artifact(run_id, str(file), "/".join(["images", *folders]))

    def add_scalar(self, name: str, value: float | torch.Tensor | np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep a number.

        Args:
            name: Its name.
            value: The number.
            step: The iteration or epoch that it belongs to.
        """
        self.add_scalars({name: value}, step)

    def add_scalars(self, scalar_dict: Mapping[str, Any], step: int = 0, file_path: str | None = None) -> None:
        """Keep several numbers of one step.

        Args:
            scalar_dict: Numbers by name.
            step: The iteration or epoch that they belong to, unless they have a `step` among them.
            file_path: Not used.
        """
        del file_path
        from mlflow.entities import Metric

        self._begin()
        step, stamp = int(scalar_dict.get("step", step)), self._time()
        for name, value in scalar_dict.items():
            if name != "step":
                self._waiting.append(Metric(_NOT_IN_NAMES.sub("_", name), as_number(name, value), stamp, step))
        if len(self._waiting) >= _AT_ONCE or time.monotonic() - self._sent >= _SECONDS:
            self.flush()

    def _time(self) -> int:
        """Milliseconds since 1970; later than any time that a checkpoint holds."""
        return max(int(time.time() * 1000), self._stamp)

    def flush(self) -> None:
        """Send the values that wait."""
        if self._waiting:
            client, run_id = self._begin()
            waiting, self._waiting = self._waiting, []
            for begin in range(0, len(waiting), _AT_ONCE):
                client.log_batch(run_id, metrics=waiting[begin : begin + _AT_ONCE])
        self._sent = time.monotonic()

    def close(self) -> None:
        """Send what waits and the files of the run, and finish it; what is added later goes on with it."""
        self.flush()
        if self._client is None or self._run_id is None:
            return
        for file, place in self._files():
            self._client.log_artifact(self._run_id, str(file), place)
        self._client.set_terminated(self._run_id)
        if self._activated:
            import mlflow

            mlflow.end_run()
            self._activated = False
        self._client = None

    def _files(self) -> list[tuple[Path, str | None]]:
        """The work directory's own files and this launch's, each with its folder in the run."""
        launch = self.folder.absolute().parent
        store = (self._store or self.folder).absolute() / "mlartifacts"
        found = [(file, None) for file in sorted(launch.parent.glob("*"))]
        found += [
            (file, file.parent.relative_to(launch.parent).as_posix())  # type: ignore[misc]  # the None above
            for file in sorted(launch.rglob("*"))
            if not file.is_relative_to(store)
        ]
        return [(file, place) for file, place in found if file.is_file() and file.name.endswith(self._artifact_suffix)]

    # ---- going on ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The run's identity, its store, and the time up to which its values belong to the checkpoint."""
        self.flush()
        if self._run_id is None:
            return {}
        stamp = self._time()
        self._stamp = stamp + 1
        store = (self._store or self.folder).absolute()
        return {**remembered_folder(store), "run_id": self._run_id, "tracking_uri": self._tracking_uri, "time": stamp}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on with the run when something is added next.

        Args:
            state_dict: What `state_dict` returned.
        """
        if self._client is not None:
            self.flush()
            self._client = None
        self._run_id = None
        self._earlier = state_dict

    def _source(self, state: Mapping[str, Any]) -> tuple[str, bool] | None:
        """The address of the store that the earlier run lies in, and whether this launch may go on with that run."""
        folder, is_same = earlier_folder(state, self.folder)
        if state["tracking_uri"] is not None:
            return state["tracking_uri"], is_same and state["tracking_uri"] == self._tracking_uri
        if folder is None:
            print_log(f"MLflow's store is no longer in {state['folder']}: the curves begin here", "current", "WARNING")
            return None
        goes_on = is_same and self._tracking_uri is None
        if goes_on:
            self._store = folder
        return _local_uri(folder), goes_on

    def _go_on(self, client: MlflowClient, source_uri: str, goes_on: bool, state: Mapping[str, Any]) -> None:
        """Take the earlier run, or its values up to the checkpoint in a new one."""
        from mlflow import MlflowClient
        from mlflow.entities import Metric, RunTag

        source = client if goes_on else MlflowClient(source_uri)
        earlier, limit = state["run_id"], state["time"]
        self._stamp = limit + 1
        values = [
            each for name in source.get_run(earlier).data.metrics for each in source.get_metric_history(earlier, name)
        ]
        kept = [each for each in values if each.timestamp <= limit]
        if goes_on and len(kept) == len(values):
            self._run_id = earlier
            return
        self._run_id = run_id = self._new_run(client)
        client.log_batch(run_id, tags=[RunTag("runner.continues", earlier)])
        copies = [Metric(each.key, each.value, each.timestamp, each.step) for each in kept]
        for begin in range(0, len(copies), _AT_ONCE):
            client.log_batch(run_id, metrics=copies[begin : begin + _AT_ONCE])


def _make_store(uri: str, folder: Path) -> None:
    """Make a local store, whose first experiment would otherwise keep its files in the current folder."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, (folder / "mlartifacts").as_uri())  # type: ignore[no-untyped-call]  # MLflow leaves it without annotations


def _local_uri(folder: Path) -> str:
    return f"sqlite:///{(folder.absolute() / 'mlflow.db').as_posix()}"


def _flattened(value: Any, path: str = "") -> dict[str, Any]:
    """The leaves by their paths; a list without mappings in it is one leaf."""
    if isinstance(value, Mapping):
        items = [(f"{path}.{key}" if path else str(key), each) for key, each in value.items()]
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        items = [(f"{path}.{number}", each) for number, each in enumerate(value)]
    else:
        return {path: value}
    return {name: leaf for key, each in items for name, leaf in _flattened(each, key).items()}
