"""The HF Trainer: `Trainer.train(resume_from_checkpoint=get_last_checkpoint(output_dir))`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from parts import BATCH, SEED, TRACE, Net, Samples, Spec, save_final, score
from torch import nn

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

NAME = "HF Trainer"
SETTINGS = (
    "`Trainer.train(resume_from_checkpoint=get_last_checkpoint(output_dir))`; "
    '`TrainingArguments(save_strategy="steps", save_steps=5, enable_jit_checkpoint=True, '
    "restore_callback_states_from_checkpoint=True)`; `trainer.save_state()` at the end"
)
CHECKPOINTS = ("checkpoint-*", r"checkpoint-(\d+)")
"""Where a run's checkpoints lie, and which of these names count the optimizer's steps."""
WARM = ("torch._dynamo", "transformers.trainer", "transformers.integrations.integration_utils")
"""What every launch imports."""
HAS_EMA = False
TYPOS = {
    "callbacks": "callback",
    "num_train_epochs": "num_train_epoch",
    "save_steps": "save_step",
    "learning_rate": "learning_rat",
    "dataloader_num_workers": "dataloader_num_worker",
    "num_cycles": "number_of_cycles",
    "seed": "sede",
    "early_stopping_patience": "early_stopping_patiance",
}


def versions() -> dict[str, str]:
    """What was measured."""
    from importlib.metadata import version

    return {"transformers": version("transformers"), "accelerate": version("accelerate")}


class Scored(nn.Module):
    """The network, called as the Trainer calls one."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.net = Net(spec)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, index: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.training:
            return {"loss": self.net.loss(inputs, labels, index)}
        seen = self.net.predict(inputs)
        return {"loss": seen.mean(), "logits": seen[:, None]}


def _arguments(spec: Spec) -> Any:
    from transformers import TrainingArguments

    watches = spec.best or spec.early_stopping
    schedule = {spec.name("num_cycles", TYPOS["num_cycles"]): 0.5}
    more: dict[str, Any] = {"eval_strategy": "no" if spec.validation == "no" else "epoch"}
    save_every = spec.save_every
    if watches:  # it wants a checkpoint of whatever may become the best
        save_every = 6
        more = {"eval_strategy": "steps", "eval_steps": save_every, "load_best_model_at_end": True}
        more |= {"metric_for_best_model": "score", "greater_is_better": True}
    return TrainingArguments(
        output_dir=spec.folder,
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=BATCH,
        gradient_accumulation_steps=spec.accumulation,
        lr_scheduler_type="cosine",
        lr_scheduler_kwargs=schedule,
        save_strategy="steps",
        save_total_limit=spec.keep,
        logging_steps=1,
        enable_jit_checkpoint=True,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=True,
        report_to="none",
        **{spec.name("num_train_epochs", TYPOS["num_train_epochs"]): spec.epochs},
        **{spec.name("save_steps", TYPOS["save_steps"]): save_every},
        **{spec.name("learning_rate", TYPOS["learning_rate"]): 0.01},
        **{spec.name("dataloader_num_workers", TYPOS["dataloader_num_workers"]): spec.workers},
        **{spec.name("seed", TYPOS["seed"]): SEED},
        **more,
    )


def train(spec: Spec) -> int:
    """Start or resume the run; the exit code."""
    from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, set_seed
    from transformers.trainer_utils import get_last_checkpoint

    class Told(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            TRACE.start(state.global_step * spec.accumulation)

    TRACE.open(spec.trace)
    arguments = _arguments(spec)
    set_seed(SEED)
    callbacks: list[Any] = [Told()]
    if spec.early_stopping or spec.typo == "early_stopping_patience":
        patience = spec.name("early_stopping_patience", TYPOS["early_stopping_patience"])
        callbacks.append(EarlyStoppingCallback(**{patience: 3}))
    trainer = Trainer(
        Scored(spec),
        arguments,
        train_dataset=Samples(spec, is_training=True),
        eval_dataset=None if spec.validation == "no" else Samples(spec, is_training=False),
        compute_metrics=lambda predicted: {"score": score(float(predicted.predictions[0][0]))},
        **{spec.name("callbacks", TYPOS["callbacks"]): callbacks},
    )
    Path(spec.folder).mkdir(parents=True, exist_ok=True)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(spec.folder))
    trainer.save_state()
    save_final(spec, trainer.model)
    return 0


def best(folder: Path) -> list[str]:
    """The best checkpoint that is kept."""
    state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    return [Path(str(state["best_model_checkpoint"])).name, str(state["best_metric"])]


def curve(folder: Path) -> list[tuple[int, float]]:
    """The loss by steps, as its state holds it."""
    path = folder / "trainer_state.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))["log_history"]
    return [(row["step"], row["loss"]) for row in rows if "loss" in row]
