from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# The tests are no packages, so a module beside them is loaded by its path.
spec = importlib.util.spec_from_file_location("plugin_environment", HERE / "environment.py")
environment_module = sys.modules["plugin_environment"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(environment_module)


@pytest.fixture
def environment(tmp_path):
    """A virtual environment of the test's own, with the project and what it needs, and no plugin but runner-vision."""
    return environment_module.Environment.make(tmp_path)


@pytest.fixture
def write_plugin(tmp_path):
    """Writes a plugin package; returns the folder that pip installs."""

    def write(name, plugin, **more):
        return environment_module.write_plugin(tmp_path / "packages", name, plugin, **more)

    return write


@pytest.fixture
def blobs(tmp_path):
    """The plugin package `runner-blobs`, in a temporary folder."""
    return shutil.copytree(HERE / "blobs", tmp_path / "package")


@pytest.fixture(scope="module")
def with_blobs(tmp_path_factory):
    """A virtual environment that `runner-blobs` was installed into; the folder that it was built in is gone."""
    folder = tmp_path_factory.mktemp("blobs")
    new = environment_module.Environment.make(folder)
    package = shutil.copytree(HERE / "blobs", folder / "package")
    new.install(package)
    shutil.rmtree(package)
    return new
