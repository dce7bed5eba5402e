from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from runner.plugin import default_plugins
from runner.signature import describe
from runner_streaming.dataset import TarShards

CATALOG = default_plugins().catalog
README = Path(__file__).parents[1] / "README.md"


def test_is_found_by_its_entry_point():
    (found,) = entry_points(group="runner", name="streaming")
    assert (found.value, found.dist.name) == ("runner_streaming.plugin", "runner-streaming")
    assert [entry.name for entry in CATALOG if entry.plugin == "streaming"] == ["TarShards"]


def test_importing_it_imports_nothing_heavy():
    heavy = "torch", "numpy", "PIL", "webdataset", "fsspec"
    script = f"import sys, runner_streaming.plugin; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_signature_is_the_constructors_and_explained():
    described = describe("runner_streaming.dataset:TarShards", catalog=CATALOG)
    parameters = inspect.signature(TarShards).parameters
    assert [parameter.name for parameter in described.parameters] == list(parameters)
    for parameter in described.parameters:
        assert parameter.schema, parameter.name
        assert parameter.doc, parameter.name
    assert described.parameter("transform").slot == "transform"


def test_the_readmes_code_runs(tmp_path, monkeypatch, write_shards):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"(?s)```python\n(.*?)```", README.read_text(encoding="utf-8"))
    write_shards(5, 6)
    code = code.replace("data/digits-shards/train.json", "shards/index.json").replace('["png", "cls"]', '["id", "id"]')
    names = {}
    exec(code.replace("num_workers=2", "num_workers=0"), names)
    assert sorted(names["images"].tolist()) == list(range(11))
    assert names["state"]["samples"] == 11
