"""`runner validate` on a 150-line config against `import torch`, taking turns.

    python benchmarks/startup.py [--repetitions 20] [--components 0 200]

Warm: the cache of signatures is filled. Cold: it is empty. With `--components N` a plugin that offers N components of an
installed library is put on the path, which must change neither figure.
"""

from __future__ import annotations

import argparse
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


def plugin(folder: Path, components: int) -> None:
    """An installed distribution that offers that many components and is never asked for one."""
    module = folder / "many_components.py"
    rows = "\n".join(f'    catalog.metric("Metric{number}", "many_metrics:Metric{number}")' for number in range(components))
    module.write_text(
        f"from runner import hookimpl\n\n\n@hookimpl\ndef runner_register(catalog):\n{rows or '    pass'}\n", encoding="utf-8"
    )
    info = folder / "many_components-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: many-components\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[runner]\nmany = many_components\n", encoding="utf-8")


def compare(name: str, repetitions: int, *, cold: bool, components: int) -> None:
    """Print the ratio of the medians, with its spread."""
    with tempfile.TemporaryDirectory() as folder:
        plugin(Path(folder), components)
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
        f"{name}, {components} more components: ratio {ratio:.3f} (pairs {pairs[0]:.3f} to {pairs[-1]:.3f}), "
        f"validate {statistics.median(ours):.3f} s, import torch {statistics.median(theirs):.3f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--components", type=int, nargs="*", default=[0, 200])
    options = parser.parse_args()
    for components in options.components:
        compare("warm", options.repetitions, cold=False, components=components)
        compare("cold", options.repetitions, cold=True, components=components)


if __name__ == "__main__":
    main()
