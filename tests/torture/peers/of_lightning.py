"""Lightning: `Trainer.fit(ckpt_path="last")`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from parts import BATCH, SEED, TRACE, Net, Samples, Spec, save_final, score

__all__ = [
    "CHECKPOINTS",
    "HAS_EMA",
    "NAME",
    "SETTINGS",
    "TYPOS",
    "WARM",
    "best",
    "curve",
    "train",
    "versions",
]

NAME = "Lightning"
SETTINGS = (
    '`Trainer.fit(ckpt_path="last")`; `seed_everything(7, workers=True)`; torchdata\'s `StatefulDataLoader`; '
    '`ModelCheckpoint(every_n_train_steps=5, save_top_k=-1, save_last="link", save_on_exception=True)`; '
    "`EMAWeightAveraging`; `CSVLogger(flush_logs_every_n_steps=1)`"
)
CHECKPOINTS = ("checkpoints/step=*.ckpt", r"step=(\d+)(?:-v\d+)?\.ckpt")
"""Where a run's checkpoints lie, and which of these names count the optimizer's steps."""
WARM = ("torch._dynamo", "lightning.pytorch", "torchdata.stateful_dataloader")
"""What every launch imports."""
HAS_EMA = True
TYPOS = {
    "callbacks": "callback",
    "max_epochs": "max_epoch",
    "every_n_train_steps": "every_n_train_step",
    "lr": "learning_rate",
    "num_workers": "num_worker",
    "T_max": "T_maximum",
    "workers": "worker",
    "patience": "patiance",
}


def versions() -> dict[str, str]:
    """What was measured."""
    from importlib.metadata import version

    return {"lightning": version("lightning"), "torchdata": version("torchdata")}


def _module(spec: Spec) -> Any:
    from lightning.pytorch import LightningModule

    class Scored(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(spec)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.net.loss(**batch)
            self.log("loss", loss, on_step=True, on_epoch=False)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("score", score(float(self.net.predict(batch["inputs"])[0])))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), **{spec.name("lr", TYPOS["lr"]): 0.01})
            period = {spec.name("T_max", TYPOS["T_max"]): spec.steps // spec.accumulation}
            cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, **period)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    return Scored()


def _callbacks(spec: Spec) -> list[Any]:
    from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint

    class Told(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            TRACE.start(trainer.global_step * spec.accumulation)

    every = {spec.name("every_n_train_steps", TYPOS["every_n_train_steps"]): spec.save_every}
    found: list[Any] = [
        Told(),
        ModelCheckpoint(
            dirpath=f"{spec.folder}/checkpoints",
            filename="{step}",
            save_top_k=spec.keep or -1,
            save_last="link",
            save_on_exception=True,
            **every,
        ),
    ]
    if spec.keep:  # without a monitored metric it keeps one or all
        assert spec.keep == 1
    if spec.best:
        folder = f"{spec.folder}/best"
        found.append(ModelCheckpoint(dirpath=folder, filename="best-{step}", monitor="score", mode="max"))
    if spec.early_stopping or spec.typo == "patience":
        found.append(EarlyStopping("score", mode="max", **{spec.name("patience", TYPOS["patience"]): 3}))
    if spec.ema:
        found.append(EMAWeightAveraging(decay=0.9))
    return found


def train(spec: Spec) -> int:
    """Start or resume the run; the exit code."""
    from lightning.pytorch import Trainer, seed_everything
    from lightning.pytorch.callbacks import WeightAveraging
    from lightning.pytorch.loggers import CSVLogger
    from torchdata.stateful_dataloader import StatefulDataLoader

    TRACE.open(spec.trace)
    seed_everything(SEED, **{spec.name("workers", TYPOS["workers"]): True})
    model = _module(spec)
    count = {spec.name("num_workers", TYPOS["num_workers"]): spec.workers}
    loader = StatefulDataLoader(Samples(spec, is_training=True), BATCH, shuffle=True, **count)
    others = StatefulDataLoader(Samples(spec, is_training=False), BATCH, **count)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        default_root_dir=spec.folder,
        logger=CSVLogger(spec.folder, name="curve", flush_logs_every_n_steps=1),
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        accumulate_grad_batches=spec.accumulation,
        limit_val_batches=0 if spec.validation == "no" else None,
        **{spec.name("max_epochs", TYPOS["max_epochs"]): spec.epochs},
        **{spec.name("callbacks", TYPOS["callbacks"]): _callbacks(spec)},
    )
    trainer.fit(model, loader, others, ckpt_path="last")
    averaging = next((each for each in trainer.callbacks if isinstance(each, WeightAveraging)), None)
    save_final(spec, model, getattr(averaging, "_average_model", None))
    return 0


def best(folder: Path) -> list[str]:
    """The best checkpoint that is kept."""
    return sorted(path.name for path in (folder / "best").glob("*.ckpt"))


def curve(folder: Path) -> list[tuple[int, float]]:
    """The loss by steps, of all launches: each has a file in a folder of its own."""
    found = []
    for file in sorted(folder.glob("curve/*/metrics.csv")):
        with file.open(newline="", encoding="utf-8") as rows:
            found += [(int(row["step"]) + 1, float(row["loss"])) for row in csv.DictReader(rows) if row.get("loss")]
    return found
