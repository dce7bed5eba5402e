"""A fresh virtual environment for each set of plugins, filled by pip as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "1.0"

[project.entry-points.runner]
{name} = "{package}.plugin"

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""

FROM_OUTSIDE = "import site; site.addsitedir({folder!r})\n"
"""Shows the environment that the tests run in, with torch and the project, behind what is installed here."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: Where it lies.
        home: An empty folder to run commands in.
    """

    folder: Path
    home: Path

    @classmethod
    def make(cls, folder: Path) -> Environment:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        new = cls(folder / "venv", folder / "home")
        new.home.mkdir()
        new.site.joinpath("outside.pth").write_text(FROM_OUTSIDE.format(folder=sysconfig.get_path("purelib")))
        return new

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def site(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    def python_run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [self.python, *arguments],
            cwd=cwd or self.home,
            env={**environment, "RUNNER_CACHE_DIR": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def runner(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.python_run("-m", "runner", *arguments, cwd=cwd)

    def install(self, *packages: Path) -> None:
        self._pip("install", "--no-build-isolation", "--no-deps", "--no-index", *map(str, packages))

    def uninstall(self, distribution: str) -> None:
        self._pip("uninstall", "--yes", distribution)

    def _pip(self, *arguments: str) -> None:
        done = self.python_run("-m", "pip", "--disable-pip-version-check", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def write_plugin(folder: Path, name: str, plugin: str, distribution: str = "", **modules: str) -> Path:
    """Write a plugin package `runner_<name>` whose light module holds `plugin`; returns what pip takes."""
    distribution = distribution or f"runner-{name}"
    package = distribution.replace("-", "_")
    inside = folder / distribution / package
    inside.mkdir(parents=True)
    text = PYPROJECT.format(distribution=distribution, name=name, package=package)
    inside.with_name("pyproject.toml").write_text(text)
    (inside / "__init__.py").touch()
    for module, source in {"plugin": plugin, **modules}.items():
        (inside / f"{module}.py").write_text(source)
    return folder / distribution
