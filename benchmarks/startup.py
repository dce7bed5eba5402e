"""`runner validate` on a 150-line config against `import torch`, taking turns.

    python benchmarks/startup.py [--repetitions 20]

Warm: the cache of signatures is filled. Cold: it is empty. Each is measured twice: alone, and with a plugin installed
that offers every component of torchmetrics (`pip install torchmetrics`), which must change neither figure.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).with_name("startup.yaml")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def torchmetrics_names() -> list[str]:
    """The classes that torchmetrics offers, read from its text: importing it would import torch."""
    spec = importlib.util.find_spec("torchmetrics")
    if spec is None or spec.origin is None:
        sys.exit("this measures with torchmetrics installed: pip install torchmetrics")
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if name[0].isupper()]
    sys.exit("torchmetrics has no __all__")


def plugin(folder: Path, names: list[str]) -> None:
    """An installed distribution that offers torchmetrics' components and is asked for none."""
    rows = "\n".join(f'    catalog.metric("{name}", "torchmetrics:{name}")' for name in names) or "    pass"
    text = f"from runner import hookimpl\n\n\n@hookimpl\ndef runner_register(catalog):\n{rows}\n"
    (folder / "many_metrics.py").write_text(text, encoding="utf-8")
    info = folder / "many_metrics-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: many-metrics\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[runner]\nmany = many_metrics\n", encoding="utf-8")


def compare(name: str, repetitions: int, names: list[str], *, cold: bool) -> None:
    """Print the ratio of the medians, with its spread."""
    with tempfile.TemporaryDirectory() as folder:
        plugin(Path(folder), names)
        environment = {**os.environ, "PYTHONPATH": folder, "RUNNER_CACHE_DIR": f"{folder}/cache"}
        validate = [sys.executable, "-m", "runner", "validate", str(CONFIG)]
        torch = [sys.executable, "-c", "import torch"]
        seconds(validate, environment)
        seconds(torch, environment)
        ours, theirs = [], []
        for number in range(repetitions):
            if cold:
                environment["RUNNER_CACHE_DIR"] = f"{folder}/cache-{number}"
            ours.append(seconds(validate, environment))
            theirs.append(seconds(torch, environment))
    ratio = statistics.median(ours) / statistics.median(theirs)
    pairs = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    print(
        f"{name}, {len(names)} more components: ratio {ratio:.3f} (pairs {pairs[0]:.3f} to {pairs[-1]:.3f}), "
        f"validate {statistics.median(ours):.3f} s, import torch {statistics.median(theirs):.3f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    options = parser.parse_args()
    for names in ([], torchmetrics_names()):
        compare("warm", options.repetitions, names, cold=False)
        compare("cold", options.repetitions, names, cold=True)


if __name__ == "__main__":
    main()
