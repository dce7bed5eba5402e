from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from runner.cli.app import run

HERE = Path(__file__).parent


def _beside(name, file):
    # The tests are no packages, so a module beside them is loaded by its path.
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


language_server = _beside("language_server", HERE / "language_server.py")


@pytest.fixture(scope="session")
def server(request):
    """The real yaml-language-server. It is kept in `RUNNER_TEST_CACHE`, or else in pytest's own cache."""
    missing = language_server.missing()
    if missing:
        pytest.skip(f"yaml-language-server needs Node.js: {missing}")
    folder = os.environ.get("RUNNER_TEST_CACHE")
    return language_server.installed(Path(folder) if folder else Path(request.config.cache.mkdir("npm")))


@pytest.fixture
def open_editor(server):
    """Opens an editor on a folder."""
    editors = []

    def open_on(folder, settings=None):
        editor = language_server.Editor(server, folder, settings or {})
        editors.append(editor)
        return editor

    yield open_on
    for editor in editors:
        editor.close()


@pytest.fixture
def cli(capsys):
    """Runs a command line in this process; returns its exit code and what it printed."""

    def call(*arguments):
        capsys.readouterr()
        code = run([str(each) for each in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An empty folder that looks like a project's, and is the current one."""
    folder = (tmp_path / "work").resolve()
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder
