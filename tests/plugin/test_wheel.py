"""The wheel that is built from the sdist works outside of the checkout: schemas, pages and all."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_the_wheel_from_the_sdist_validates_an_example_elsewhere(environment, tmp_path):
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(CHECKOUT)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (tmp_path / "dist").glob("yaml_runner-*.whl")  # build makes the sdist, and the wheel from it
    names = zipfile.ZipFile(wheel).namelist()
    assert "runner/schemas/root.json" in names
    assert "runner/validation/pages/unknown-key.md" in names
    assert "runner/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "plugins/", "schemas/"))]
    environment.install(wheel)
    example = shutil.copytree(CHECKOUT / "examples" / "custom_model", tmp_path / "example")
    where = environment.python_run("-c", "import runner; print(runner.__file__)")
    assert str(tmp_path) in where.stdout, where.stdout
    done = environment.runner("validate", str(example / "cfg.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no problems" in done.stdout
    explained = environment.runner("explain", "unknown-key")
    assert explained.stdout.startswith("# unknown-key")
