"""All files of an export: program, weights, config, and a manifest that says what they are."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from runner.build import Builder
from runner.checkpoint import load, load_state_dict
from runner.checkpoint.safetensors_file import write_safetensors
from runner.checkpoint.shares import RUN_FILE, digest_of, is_folder_of_shares, read_weights
from runner.config import Config
from runner.custom_imports import run_custom_imports
from runner.device import resolve_device
from runner.errors import RunnerError
from runner.export.batch import sample_batch, size_of
from runner.export.program import Mode, Program, trace
from runner.infer.model import built_model

__all__ = ["Exported", "export_model"]

PROGRAM, WEIGHTS, CONFIG, MANIFEST = "model.pt2", "model.safetensors", "config.yaml", "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        files: The files, the manifest last.
        manifest: What the manifest holds; empty where the weights alone were written.
    """

    files: tuple[Path, ...]
    manifest: Mapping[str, Any]


def export_model(
    cfg: Config,
    checkpoint: str,
    out: str,
    *,
    mode: Mode = "tensor",
    tolerance: float = 1e-5,
    weights_only: bool = False,
    device: str = "cpu",
) -> Exported:
    """Write a trained model as a program of torch.export, its weights as safetensors, its config and a manifest.

    The program is read back, run and held against the model, on a batch of the test data and on half of it. All files
    are there in the end, or none is changed.

    Args:
        cfg: The config.
        checkpoint: The weights; every one has to fit.
        out: The folder. With `weights_only` it may be a file that ends in `.safetensors`.
        mode: What the model's forward is asked for.
        tolerance: The largest difference between the program's numbers and the model's that is let pass.
        weights_only: Whether nothing but the weights is written.
        device: Where the model is traced and tried.

    Raises:
        CheckpointError: The checkpoint does not fit the model.
        RunnerError: The model can't be traced, or its program gives other numbers.
    """
    run_custom_imports(cfg)
    builder = Builder(scope=cfg.get("default_scope"))
    model, meta = _trained(builder, cfg, checkpoint, device)
    texts = {"runner_version": version("yaml-runner"), "checkpoint": Path(checkpoint).name}
    if weights_only:
        file = Path(out) if Path(out).suffix == ".safetensors" else Path(out, WEIGHTS)
        write_safetensors(model.state_dict(), file, texts)
        return Exported(files=(file,), manifest={})
    batch = pytree.tree_map(
        lambda leaf: leaf.to(device) if isinstance(leaf, torch.Tensor) else leaf, sample_batch(builder, cfg)
    )
    program = trace(model, batch, mode)
    target = Path(out)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".export-") as folder:
        draft = Path(folder)
        program.save(draft / PROGRAM)
        largest = program.check(draft / PROGRAM, tolerance)
        write_safetensors(model.state_dict(), draft / WEIGHTS, texts)
        (draft / CONFIG).write_text(cfg.dump(), encoding="utf-8")
        manifest = {
            **_told(program, model),
            "check": {"largest_difference": largest, "tolerance": tolerance, "batch_size": size_of(program.batch)},
            "checkpoint": {"file": str(checkpoint), "sha256": digest_of(Path(checkpoint)), **_position(meta)},
            **_written(draft),
            **_classes(meta),
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        names = (PROGRAM, WEIGHTS, CONFIG, MANIFEST)
        for name in names:
            (draft / name).replace(target / name)
    return Exported(files=tuple(target / name for name in names), manifest=manifest)


def _trained(builder: Builder, cfg: Config, checkpoint: str, device: str) -> tuple[nn.Module, Any]:
    """The model with the checkpoint's weights, in evaluation mode, and what the checkpoint says about itself."""
    model = built_model(builder, cfg)
    folder = Path(checkpoint)
    if is_folder_of_shares(folder):
        content = load(folder / RUN_FILE)
        weights = read_weights(folder, content["state_dict"], model.state_dict())
    else:
        content = load(checkpoint)
        weights = content.get("state_dict", content)
    load_state_dict(model, weights, strict=True)
    return model.to(resolve_device(device)).eval(), content.get("meta")


def _told(program: Program, model: nn.Module) -> dict[str, Any]:
    """What the program takes and gives."""
    size = size_of(program.batch) if program.is_dynamic else None
    with torch.no_grad():
        batch = program.batch
        outputs = program.module(**batch) if isinstance(batch, dict) else program.module(*batch)
    return {
        "model": type(model).__name__,
        "mode": program.mode,
        "includes_preprocessing": program.preprocesses,
        "batch_size": "any" if program.is_dynamic else size_of(program.batch),
        "inputs": _described(program.batch, size),
        "outputs": _described(outputs, size),
    }


def _written(folder: Path) -> dict[str, Any]:
    """What wrote the files, and the files."""
    return {
        "versions": {"runner": version("yaml-runner"), "torch": torch.__version__, "python": platform.python_version()},
        "files": {
            name: {"sha256": _digest(folder / name), "bytes": (folder / name).stat().st_size}
            for name in (PROGRAM, WEIGHTS, CONFIG)
        },
    }


def _described(value: Any, size: int | None) -> list[dict[str, Any]]:
    """Place, shape and type of each tensor; `batch` stands for the dimension that may have any size."""
    described = []
    for path, leaf in pytree.tree_flatten_with_path(value)[0]:
        if isinstance(leaf, torch.Tensor):
            shape: list[int | str] = list(leaf.shape)
            if size is not None and shape and shape[0] == size:
                shape[0] = "batch"
            row = {"name": _name(path), "shape": shape, "dtype": str(leaf.dtype).removeprefix("torch.")}
            described.append(row)
    return described


def _name(path: Any) -> str:
    """A tensor's place in a batch or an output: `0`, `image`, `0.boxes`; nothing for the only one."""
    return ".".join(re.findall(r"[^\[\]'\"]+", pytree.keystr(path)))


def _digest(file: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        RunnerError: It is no file.
    """
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise RunnerError(f"{file} can't be read: {error.strerror}") from error
    return digest.hexdigest()


def _position(meta: Any) -> dict[str, Any]:
    if not isinstance(meta, Mapping):
        return {}
    return {name: meta[name] for name in ("epoch", "iter") if isinstance(meta.get(name), int)}


def _classes(meta: Any) -> dict[str, Any]:
    """The classes' names, for whoever reads the outputs."""
    known = meta.get("dataset_meta") if isinstance(meta, Mapping) else None
    classes = known.get("classes") if isinstance(known, Mapping) else None
    return {"classes": [str(each) for each in classes]} if isinstance(classes, (list, tuple)) else {}
