"""Keeps scalars, images and the config at Weights & Biases, or in its files where there is no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from typing_extensions import Required, TypedDict

from runner.masking import mask_texts
from runner.visualization.continuing import as_written, earlier_folder, remembered_folder
from runner.visualization.optional import require
from runner.visualization.vis_backend import BaseVisBackend, as_number

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

    from runner.config import Config

__all__ = ["DefineMetric", "WandbInit", "WandbVisBackend", "WandbWatch"]


class WandbInit(TypedDict, total=False):
    """What `wandb.init` takes.

    Attributes:
        entity: The user or team.
        project: The project.
        dir: The folder of W&B's files; by default the backend's.
        id: The run's identity; a resumed launch goes on with that of the earlier one.
        name: The run's name.
        notes: What people should know of it.
        tags: Words to find it by.
        config: Further values beside the run's config.
        config_exclude_keys: Keys of the config that are left out.
        config_include_keys: Keys of the config that are kept.
        allow_val_change: Whether values of the config may change later.
        group: The runs that it belongs with.
        job_type: What kind of run it is.
        mode: `online`, `offline` to keep files that `wandb sync` sends later, or `disabled`.
        force: Whether to fail where nobody is logged in.
        reinit: What happens where a run is active in this process.
        resume: What happens where a run of that identity exists.
        resume_from: A run and a step of it to go back to, `ID?_step=N`.
        fork_from: A run and a step of it to branch off from, `ID?_step=N`.
        save_code: Whether the main script is kept.
        sync_tensorboard: Whether TensorBoard's files are sent too.
        monitor_gym: Whether videos of gymnasium environments are kept.
    """

    entity: str
    project: str
    dir: str
    id: str
    name: str
    notes: str
    tags: Sequence[str]
    config: dict[str, Any]
    config_exclude_keys: Sequence[str]
    config_include_keys: Sequence[str]
    allow_val_change: bool
    group: str
    job_type: str
    mode: Literal["online", "offline", "disabled", "shared"]
    force: bool
    reinit: bool | Literal["default", "return_previous", "finish_previous", "create_new"]
    resume: bool | Literal["allow", "never", "must", "auto"]
    resume_from: str
    fork_from: str
    save_code: bool
    sync_tensorboard: bool
    monitor_gym: bool


class DefineMetric(TypedDict, total=False):
    """How W&B shows a metric, as `define_metric` takes it.

    Attributes:
        name: The metric, or a pattern with `*`.
        step_metric: The metric on its x axis.
        step_sync: Whether the last value of that one is taken where a row lacks it.
        hidden: Whether it is left out of the charts.
        summary: What the run's summary holds of it: `min`, `max`, `mean`, `last`, `first`, `best`, `copy` or `none`, or
            several with commas in between.
        overwrite: Whether it replaces what was defined before.
    """

    name: Required[str]
    step_metric: str
    step_sync: bool
    hidden: bool
    summary: str
    overwrite: bool


class WandbWatch(TypedDict, total=False):
    """What of a model W&B keeps, as `watch` takes it.

    Attributes:
        log: Histograms of its gradients, its parameters, or both.
        log_freq: Steps from one to the next.
        idx: The model's number, where several are watched.
        log_graph: Whether its graph is kept.
    """

    log: Literal["gradients", "parameters", "all"] | None
    log_freq: int
    idx: int
    log_graph: bool


_SHOWN = ("config", "group", "job_type", "name", "notes", "tags")
"""Arguments that W&B keeps for people to read: nothing in them comes in clear from the environment."""


class WandbVisBackend(BaseVisBackend):
    """Keeps scalars, images, the config and the code beside it as a run at Weights & Biases.

    Every row holds the `step` that its values belong to, and metrics are drawn over it. A resumed launch in the same
    work directory goes on with the run, numbering rows from where the checkpoint was saved: W&B drops those that it has.

    Args:
        save_dir: The folder of W&B's files; None takes the visualizer's.
        init_kwargs: What `wandb.init` takes.
        define_metric_cfg: What the run's summary holds of each metric; or a list of what `define_metric` takes.
        commit: Whether each row is sent when it is there; otherwise with the next one that is.
        log_code_name: The name of the artifact that holds the code.
        watch_kwargs: What of the model is kept, where it is added (`NaiveVisualizationHook` does that).
    """

    def __init__(
        self,
        save_dir: str | None = None,
        init_kwargs: WandbInit | None = None,
        define_metric_cfg: dict[str, str] | list[DefineMetric] | None = None,
        commit: bool | None = True,
        log_code_name: str | None = None,
        watch_kwargs: WandbWatch | None = None,
    ) -> None:
        require("wandb", "WandbVisBackend")
        super().__init__(save_dir)
        given: dict[str, Any] = dict(init_kwargs or {})
        self._init_kwargs = given | mask_texts({key: given[key] for key in _SHOWN if key in given})
        self._define_metric_cfg = define_metric_cfg
        self._commit = commit
        self._log_code_name = log_code_name
        self._watch_kwargs: dict[str, Any] = dict(watch_kwargs or {})
        self._run: Run | None = None
        self._config: Any = None
        self._identity: str | None = None
        self._rows = 0

    @property
    def run(self) -> Run:
        """W&B's run, begun when something is first added, and again where another one took its place in this process."""
        import wandb

        if self._run is None or self._run is not wandb.run:
            folder = self.folder
            folder.mkdir(parents=True, exist_ok=True)
            # A run that is still active in this process is another one's, or one that failed.
            arguments: dict[str, Any] = {"dir": str(folder), "reinit": True, **self._init_kwargs}
            goes_on = self._identity is not None
            if goes_on:
                arguments.setdefault("id", self._identity)
                arguments.setdefault("resume", "allow")
            self._run = wandb.init(**arguments)
            self._identity = self._run.id
            self._define_metrics(self._run)
            if self._config is not None:
                self._send_config(self._run, may_change=goes_on)
        return self._run

    def _define_metrics(self, run: Run) -> None:
        run.define_metric("*", step_metric="step")
        given: Any = self._define_metric_cfg or []
        if isinstance(given, Mapping):
            given = [{"name": name, "summary": summary} for name, summary in given.items()]
        for each in given:
            run.define_metric(**{"step_metric": "step", **each})

    def _send_config(self, run: Run, *, may_change: bool) -> None:
        config, self._config = self._config, None
        allowed = may_change or bool(self._init_kwargs.get("allow_val_change"))
        of_run: Any = run.config
        of_run.update(config, allow_val_change=allowed)
        run.log_code(name=self._log_code_name)

    @property
    def experiment(self) -> Any:
        """The module `wandb`, whose active run is this one."""
        import wandb

        _ = self.run
        return wandb

    def add_config(self, config: Config) -> None:
        """Keep the config; it is sent, with the code in the current folder, when the run begins.

        Args:
            config: The run's config. What the environment brought in stays a reference.
        """
        self._config = as_written(config)
        if self._run is not None:
            self._send_config(self._run, may_change=True)

    def add_graph(self, model: torch.nn.Module, data_batch: Any) -> None:
        """Watch the model.

        Args:
            model: The model.
            data_batch: Not used.
        """
        del data_batch
        self.run.watch(model, **self._watch_kwargs)

    def add_image(self, name: str, image: np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep an image.

        Args:
            name: Its name.
            image: Grey (H, W) or RGB (H, W, 3), uint8.
            step: The iteration or epoch that it belongs to.
        """
        import wandb

        self._add_row({name: wandb.Image(image), "step": step})

    def add_scalar(self, name: str, value: float | torch.Tensor | np.ndarray[Any, Any], step: int = 0) -> None:
        """Keep a number.

        Args:
            name: Its name.
            value: The number.
            step: The iteration or epoch that it belongs to.
        """
        self.add_scalars({name: value}, step)

    def add_scalars(self, scalar_dict: Mapping[str, Any], step: int = 0, file_path: str | None = None) -> None:
        """Keep several numbers of one step, as one row.

        Args:
            scalar_dict: Numbers by name.
            step: The iteration or epoch that they belong to, unless they have a `step` among them.
            file_path: Not used.
        """
        del file_path
        self._add_row({"step": step, **{name: as_number(name, value) for name, value in scalar_dict.items()}})

    def _add_row(self, row: dict[str, Any]) -> None:
        self.run.log(row, step=self._rows, commit=self._commit)
        if self._commit:
            self._rows += 1

    def close(self) -> None:
        """Finish the run; what is added later goes on with it."""
        run, self._run = self._run, None
        if run is not None:
            run.finish()

    def state_dict(self) -> dict[str, Any]:
        """The run's identity and how many rows it has."""
        if self._identity is None:
            return {}
        return {**remembered_folder(self.folder), "id": self._identity, "rows": self._rows}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on with the run, if it was begun in this work directory; elsewhere it is a run of its own.

        Args:
            state_dict: What `state_dict` returned.
        """
        _, is_same = earlier_folder(state_dict, self.folder)
        if is_same:
            self.close()
            self._identity, self._rows = state_dict["id"], state_dict["rows"]
