"""What a run stands in: its processes and device, its seeds, its folders, its log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner import dist
from runner.build import Builder
from runner.checkpoint import CheckpointStore
from runner.checkpoint.place import Place
from runner.checkpoint.saver import Saver
from runner.checkpoint.store import is_name
from runner.config import Config
from runner.dataset import Streams, set_random_seed
from runner.device import resolve_device
from runner.dist.launcher import Launcher, in_force
from runner.environment import EnvCfg, Randomness, apply_env_cfg, collect_env
from runner.errors import BuildError, CheckpointError
from runner.logging import LogProcessor, MessageHub, MMLogger
from runner.visualization import Visualizer

__all__ = ["Setup"]


class Setup:
    """The part of a Runner that is there before any component is built, and closed after the last one is done."""

    cfg: Config
    builder: Builder
    default_scope: str | None
    load_from: str | None
    _resume: bool | str | int

    def _set_up_processes(self, launcher: str | dict[str, Any] | Launcher, env_cfg: EnvCfg, device: str) -> None:
        apply_env_cfg(env_cfg)
        self.env_cfg = env_cfg
        self.mp_start_method = env_cfg.get("mp_cfg", {}).get("mp_start_method", "fork")
        self.launcher, found = in_force(launcher, scope=self.default_scope)
        self._joined_group = found.joins and not dist.is_distributed()
        if self._joined_group:
            dist.init_dist(found, **env_cfg.get("dist_cfg", {}))
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.distributed = dist.is_distributed()
        self.device = resolve_device(device)

    def _set_up_randomness(self, randomness: Randomness) -> None:
        seed = randomness.get("seed")
        self.seed: int = dist.sync_random_seed() if seed is None else seed
        self.deterministic = randomness.get("deterministic", False)
        diff_rank_seed = randomness.get("diff_rank_seed", False)
        set_random_seed(self.seed, deterministic=self.deterministic, diff_rank_seed=diff_rank_seed)
        self.streams = Streams(self.seed, self.data_rank, self.device)

    def _set_up_folders(self, work_dir: str, experiment_name: str | None) -> None:
        stamp = [time.strftime("%Y%m%d_%H%M%S")]
        dist.broadcast_object_list(stamp)
        self.timestamp = stamp[0]
        self.work_dir = str(Path(work_dir).absolute())
        self.log_dir = str(Path(self.work_dir, self.timestamp))
        if dist.is_main_process():
            try:
                Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BuildError(
                    f"{self.log_dir} can't be made: {error.strerror}; give this user the right to write there, or set "
                    "another work_dir",
                    path=("work_dir",),
                ) from None
        dist.barrier()
        stem = Path(self.cfg.filename).stem if self.cfg.filename else None
        self.experiment_name = "_".join(part for part in (experiment_name or stem, self.timestamp) if part is not None)

    def _set_up_logging(self, log_level: str, log_processor: Any, visualizer: Any) -> None:
        self.logger = MMLogger(
            self.experiment_name,
            log_file=str(Path(self.log_dir, f"{self.timestamp}.log")),
            log_level=log_level,
            file_mode="a",  # a second launch in the same second shares the folder
        )
        self.store = self.open_store(Path(self.work_dir))
        self.saver = Saver()
        self.message_hub = MessageHub(self.experiment_name)
        self.log_processor: LogProcessor = self.builder.build("log_processor", log_processor or {}, ("log_processor",))
        self.visualizer: Visualizer = self.builder.build(
            "visualizer",
            visualizer if visualizer is not None else {"vis_backends": [{"type": "LocalVisBackend"}]},
            ("visualizer",),
            save_dir=self.log_dir,
        )
        self.logger.debug("\n".join(["environment", *(f"  {key}: {value}" for key, value in collect_env().items())]))

    def close(self) -> None:
        """Close the log and the visualizer's backends, and leave the process group if this Runner joined it."""
        for failure in self.saver.close():
            self.logger.error(str(failure))
        self.visualizer.close()
        self.logger.close()
        if self._joined_group:
            dist.destroy()

    @property
    def data_rank(self) -> int:
        """Number of this process's share of the data: ranks that compute layers together have the same."""
        return dist.get_data_rank()

    @property
    def data_world_size(self) -> int:
        """Number of shares that the data is dealt out in."""
        return dist.get_data_world_size()

    def open_store(self, folder: Place, backend_args: Mapping[str, Any] | None = None) -> CheckpointStore:
        """Return what reads and writes the checkpoints of a folder for this run.

        Args:
            folder: The folder, or its address.
            backend_args: For an address: what the store's driver needs.
        """
        staging = Path(self.work_dir, ".upload")
        return CheckpointStore(folder, self.logger.warning, backend_args=backend_args, staging=staging)

    def _find_checkpoint(self) -> Place | None:
        """What the field `resume` means; what is found in `work_dir` too where checkpoints go elsewhere."""
        found = self._store_for(self._resume).find(self._resume, self.load_from)
        work_dir = Path(self.work_dir)
        if found is None and self.store.folder != work_dir:
            found = self.store.beside(work_dir).find(self._resume, self.load_from)
        return found

    def _weights(self) -> str | Place | None:
        if self.load_from is None:
            return None
        return self._store_for(self.load_from).weights(str(self.load_from))

    def _store_for(self, wanted: object) -> CheckpointStore:
        """Where to look for a checkpoint by name: in `work_dir`, as long as nothing is where checkpoints go elsewhere."""
        work_dir = Path(self.work_dir)
        if is_name(wanted) and self.store.folder != work_dir and self.store.is_empty():
            return self.store.beside(work_dir)
        return self.store

    def _require_same(self, found: str | Place | None) -> None:
        """See that ranks begin with the same checkpoint: each has looked for itself, perhaps on another machine.

        Raises:
            CheckpointError: They do not; on every rank.
        """
        names = dist.all_gather_object("none" if found is None else str(found).rstrip("/").rpartition("/")[2])
        if len(set(names)) > 1:
            listing = ", ".join(f"rank {rank}: {name}" for rank, name in enumerate(names))
            raise CheckpointError(
                f"ranks would begin with different checkpoints ({listing}); all machines have to see the same "
                f"{self.store.folder}, as on a file system that they share, and be given the same flags"
            )

    def dump_config(self) -> None:
        """Write the composed config into the work directory, with references in place of what the environment gave."""
        self.visualizer.add_config(self.cfg)
        if dist.is_main_process() and self.cfg:
            stem = Path(self.cfg.filename).stem if self.cfg.filename else self.timestamp
            self.cfg.dump(str(Path(self.work_dir, f"{stem}.yaml")))
