"""The tasks, and the config that each starts from."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.errors import RegistryError, RunnerError
from runner.plugin import Catalog
from runner.signature import Signature
from runner.starter.components import Component, component
from runner.starter.own_code import MODEL_PY
from runner.starter.text import WIDTH, heading, line

__all__ = ["TASKS", "Choices", "Task", "start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a user has chosen; None where the task's own choice is fine.

    Attributes:
        dataset: A dataset's type.
        model: A model's type.
        optimizer: An optimizer's type.
    """

    dataset: str | None = None
    model: str | None = None
    optimizer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to start with.

    Attributes:
        name: What `runner init` calls it.
        summary: What it is, in a sentence.
        needs: Components that it can't do without, by kind.
        write: The files' texts by name.
    """

    name: str
    summary: str
    needs: Mapping[str, str]
    write: Callable[[Catalog, Choices, str], dict[str, str]]

    def lacking(self, catalog: Catalog) -> str | None:
        """Why it can't be started from what is installed; None where it can."""
        for kind, name in self.needs.items():
            try:
                catalog.resolve(kind, name)
            except RegistryError as error:
                return str(error)
        return None


_SHAPES: Mapping[str, tuple[int, int]] = {"Digits": (10, 1), "CIFAR10": (10, 3)}
"""Classes and channels of the data sets that we know."""

_TRANSFORMS: Mapping[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "Digits": ([{"type": "RandomCrop", "size": 8, "padding": 1}], []),
    "CIFAR10": (
        [{"type": "RandomCrop", "size": 32, "padding": 4}, {"type": "RandomHorizontalFlip"}, {"type": "ToTensor"}],
        [{"type": "ToTensor"}],
    ),
    "ImageFolder": (
        [{"type": "Resize", "size": [64, 64]}, {"type": "RandomHorizontalFlip"}, {"type": "ToTensor"}],
        [{"type": "Resize", "size": [64, 64]}, {"type": "ToTensor"}],
    ),
}
"""What is done to the images of the data sets that we know: in training, and in validation."""

_OPTIONS: Mapping[str, dict[str, Any]] = {
    "SGD": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.0005},
    "Adam": {"lr": 0.003},
    "AdamW": {"lr": 0.003, "weight_decay": 0.05},
    "ZeroRedundancyOptimizer": {"optimizer_type": "AdamW"},
}
"""Arguments of optimizers that are worth writing down."""


def start(task: str, catalog: Catalog, choices: Choices, config: str = "config.yaml") -> dict[str, str]:
    """The files of a task: the config, and others under names relative to it.

    Args:
        task: A name of `TASKS`.
        catalog: What is on offer.
        choices: What was chosen.
        config: The config's name.

    Raises:
        RunnerError: A component that it needs, or that was chosen, is not on offer.
    """
    lacking = TASKS[task].lacking(catalog)
    if lacking is not None:
        raise RunnerError(f"the task '{task}' can't be started: {lacking}")
    return TASKS[task].write(catalog, choices, config)


# ---- The tasks -------------------------------------------------------------------------------------------------------


def _classification(catalog: Catalog, choices: Choices, config: str) -> dict[str, str]:
    name = choices.dataset or "Digits"
    classes, channels = _SHAPES.get(name, (10, 3))
    train, val = _TRANSFORMS.get(name, ([], []))
    model = component(catalog, "model", choices.model or "SmallConvNet", num_classes=classes, in_channels=channels)
    data = [
        component(
            catalog, "dataset", name, **_part(catalog, name, part), **({"transform": transform} if transform else {})
        )
        for part, transform in (("train", train), ("val", val))
    ]
    text = _head("Image classification", config)
    text += _section("What is trained", "model", model)
    text += _training(data[0], _optimizer(catalog, choices), epochs=10, batch_size=64)
    text += _validation(data[1], component(catalog, "metric", "Accuracy"), batch_size=256)
    text += _running("accuracy/top1", "greater")
    return {config: text}


def _custom(catalog: Catalog, choices: Choices, config: str) -> dict[str, str]:
    for option, choice in (("dataset", choices.dataset), ("model", choices.model)):
        if choice is not None:
            raise RunnerError(f"the task 'custom' brings its own {option}, in model.py; leave out --{option}")
    text = _head("A model, a data set and a metric of your own, in model.py", config)
    text += "\ncustom_imports:\n"
    text += line("imports: [./model.py]", "relative to this file; its classes join what is installed", indent=2)
    text += heading("What is trained") + "model:\n"
    text += line("type: SmallNet", "registered in model.py", indent=2)
    text += line("width: 16", "an argument of its constructor", indent=2)
    near = "Points near a line"
    data = [_own("NoisyLine", near, size=256, seed=0), _own("NoisyLine", near, size=64, seed=1)]
    text += _training(data[0], _optimizer(catalog, choices), epochs=10, batch_size=32)
    text += _validation(data[1], _own("MeanError", "How far off the outputs are on average: `error`"), batch_size=64)
    text += _running("error", "less")
    return {config: text, "model.py": MODEL_PY}


def _own(name: str, summary: str, **arguments: Any) -> Component:
    """A component of the file beside the config."""
    return Component(name=name, signature=Signature(target=f"model:{name}", summary=summary), arguments=arguments)


def _part(catalog: Catalog, name: str, part: str) -> dict[str, Any]:
    """How a data set is told which part of the data is meant, as far as its arguments show it."""
    signature = component(catalog, "dataset", name).signature
    split, train, root = (signature.parameter(each) for each in ("split", "train", "root"))
    if split is not None:
        names = split.schema.get("enum", ["train", "val"])
        return {"split": part if part in names else names[0], **({"root": "data"} if root else {})}
    if train is not None and train.schema.get("type") == "boolean":
        return {"train": part == "train", **({"root": "data"} if root else {})}
    if root:
        return {"root": f"data/{part}"}
    if signature.parameter("ann_file") is not None:
        return {"ann_file": f"data/{part}.json"}
    if signature.parameter("shards") is not None:
        return {"shards": [f"data/{part}.tar"]}
    return _wrapped(catalog, signature, part)


def _wrapped(catalog: Catalog, signature: Signature, part: str) -> dict[str, Any]:
    """The data set, or the list of them, that a data set is made of: annotated files."""
    inner = {"type": "BaseDataset", **_part(catalog, "BaseDataset", part)}
    for each in signature.parameters:
        if each.required and each.schema.get("x-slot") == "dataset":
            return {each.name: inner}
        if each.required and each.schema.get("items", {}).get("x-slot") == "dataset":
            return {each.name: [inner]}
    return {}


def _optimizer(catalog: Catalog, choices: Choices) -> Component:
    name = choices.optimizer or "AdamW"
    return component(catalog, "optimizer", name, **_OPTIONS.get(name.rpartition(".")[2], {}))


# ---- The sections ----------------------------------------------------------------------------------------------------


def _head(title: str, config: str) -> str:
    about = (
        f"{title}: a start, to be changed. A mapping with `type` names a component; its other keys are the arguments of "
        "that component's constructor."
    )
    commands = {
        f"runner validate {config}": "finds every mistake, without running anything",
        f"runner train {config}": "trains",
        "runner components": "lists what there is; runner describe NAME says what it takes",
    }
    longest = max(map(len, commands))
    lines = [*textwrap.wrap(about, WIDTH - 2), ""]
    lines += [f"  {command.ljust(longest)}    {does}" for command, does in commands.items()]
    return "".join(f"# {each}".rstrip() + "\n" for each in lines)


def _section(title: str, key: str, part: Component) -> str:
    return heading(title) + f"{key}:\n" + part.written(indent=2)


def _loader(key: str, data: Component, *, batch_size: int, shuffle: bool) -> str:
    order = "each epoch in another order" if shuffle else "in the data set's order"
    sampler = f"{{type: DefaultSampler, shuffle: {str(shuffle).lower()}}}"
    if data.is_iterable:
        sampler, order = "null", "the data set decides the order"
    return (
        f"{key}:\n"
        + line(f"batch_size: {batch_size}", "samples in a batch, on each process", indent=2)
        + line("num_workers: 0", "processes that load ahead; what is trained does not depend on it", indent=2)
        + line(f"sampler: {sampler}", order, indent=2)
        + line("collate_fn: default_collate", "stacks the samples of a batch into tensors", indent=2)
        + "  dataset:\n"
        + data.written(indent=4)
    )


def _training(data: Component, optimizer: Component, *, epochs: int, batch_size: int) -> str:
    return (
        heading("Training: the data, for how long, and how the weights change; these three go together")
        + _loader("train_dataloader", data, batch_size=batch_size, shuffle=True)
        + "\ntrain_cfg:\n"
        + line("by_epoch: true", "false trains by iterations, with max_iters", indent=2)
        + line(f"max_epochs: {epochs}", indent=2)
        + line("val_interval: 1", "validate after so many epochs", indent=2)
        + "\noptim_wrapper:\n  optimizer:\n"
        + optimizer.written(indent=4)
        + "\n"
        + line("param_scheduler:", "the rate falls along half a cosine, a step after each iteration")
        + line("- {type: CosineAnnealingLR, by_epoch: true, convert_to_iter_based: true}", indent=2)
    )


def _validation(data: Component, metric: Component, *, batch_size: int) -> str:
    return (
        heading("Validation: these three go together too; test_dataloader, test_cfg and test_evaluator look the same")
        + _loader("val_dataloader", data, batch_size=batch_size, shuffle=False)
        + "\n"
        + line("val_cfg: {}", "the usual loop, once through the data")
        + "\nval_evaluator:\n"
        + metric.written(indent=2)
    )


def _running(best: str, rule: str) -> str:
    return (
        heading("How it is run")
        + line("default_hooks:", "every run has these hooks; here is what differs from their defaults")
        + line("logger: {interval: 10}", "iterations from one line of the log to the next", indent=2)
        + line(f"checkpoint: {{interval: 1, max_keep_ckpts: 2, save_best: {best}, rule: {rule}}}", indent=2)
        + "\n"
        + line("randomness: {seed: 0}", "the same seed gives the same numbers, bit for bit")
    )


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="classification",
            summary="Images into classes, with a small network: handwritten digits that need no download, or your own.",
            needs={"model": "SmallConvNet", "dataset": "Digits", "metric": "Accuracy"},
            write=_classification,
        ),
        Task(
            name="custom",
            summary="A model, a data set and a metric of your own, in a Python file beside the config.",
            needs={},
            write=_custom,
        ),
    )
}
