"""The code of MMEngine's migration document, with only its import lines changed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

SEEDED = "import runpy, torch; torch.manual_seed(0); runpy.run_path({!r}, run_name='__main__')"
"""The document makes its model before it gives a seed, and some models begin too badly to learn in five epochs."""


def write_cifar10(root: Path) -> None:
    """CIFAR-10's Python format: pickled batches of 3072 bytes a row, red, green and blue planes."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, rows in (*((f"data_batch_{number}", 256) for number in range(1, 6)), ("test_batch", 96)):
        labels = generator.integers(10, size=rows)
        # Bright where the class says, so that there is something to learn.
        data = generator.integers(0, 60, size=(rows, 3072))
        for row, label in enumerate(labels):
            data[row, label * 300 : label * 300 + 300] += 180
        batch = {"batch_label": name, "labels": [int(label) for label in labels], "data": data.astype(np.uint8)}
        with (folder / name).open("wb") as file:
            pickle.dump(batch, file, protocol=2)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    with (folder / "batches.meta").open("wb") as file:
        pickle.dump({"label_names": names, "num_cases_per_batch": 64, "num_vis": 3072}, file)


def test_the_tutorial_runs_with_its_imports_changed(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "data")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SEEDED.format(str(HERE / "tutorial.py"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    assert (tmp_path / "work_dir" / "epoch_5.pth").exists()
    printed = dict(line.split(": ") for line in done.stdout.splitlines() if line.startswith("RESULT "))
    assert printed["RESULT same work_dir"] == printed["RESULT loaded"]
    assert float(printed["RESULT loaded"]) > 0.2  # ten classes: better than chance
    assert printed["RESULT steps"] == str(2 * 5 * 10)  # each of ten batches twice, five epochs
