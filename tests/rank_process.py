"""One rank of a `world_size` test: joins the group, calls the test, shows the traceback with its locals."""

from __future__ import annotations

import faulthandler
import importlib.util
import json
import os
import pickle
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import pytest
import torch
from torch import distributed

SKIPPED = 77


def main(folder: Path) -> int:
    sys.excepthook = show
    faulthandler.dump_traceback_later(60, exit=False)
    torch.set_num_threads(1)
    task = json.loads((folder / "task.json").read_text("utf-8"))
    warnings.simplefilter("error")
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=timedelta(seconds=60),
    )
    try:
        call(task)
        distributed.barrier()
    except pytest.skip.Exception as skipped:
        sys.stdout.write(str(skipped))
        return SKIPPED
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    shown = pytest.ExceptionInfo.from_exception(error).getrepr(showlocals=True, style="long", funcargs=True)
    sys.stdout.write(f"{shown}\n")


def load(file: Path, name: str) -> ModuleType:
    for folder in (str(file.parent), str(Path(__file__).parents[1])):
        if folder not in sys.path:
            sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # under the name that pickle knows its classes by
    spec.loader.exec_module(module)
    return module


def call(task: dict[str, Any]) -> None:
    module = load(Path(task["file"]), task["module"])
    owner = module if task["owner"] is None else getattr(module, task["owner"])()
    arguments = {name: pickle.loads(bytes.fromhex(value)) for name, value in task["arguments"].items()}
    getattr(owner, task["name"])(**arguments)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread of gloo's that lets go of a tensor amid the interpreter's end would abort the process
