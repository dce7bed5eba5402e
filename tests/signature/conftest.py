from __future__ import annotations

import textwrap

import pytest

from runner.signature import cache, describe


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_CACHE_DIR", str(tmp_path / "cache"))
    cache.forget()


@pytest.fixture
def package(tmp_path):
    """Writes files below a folder of its own, and describes what is in them."""

    class Package:
        folder = tmp_path / "code"

        def write(self, **files):
            for name, text in files.items():
                file = self.folder / (name.replace("__", "/").replace("/init/", "/__init__") + ".py")
                self.put(file.relative_to(self.folder), text)

        def put(self, path, text):
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text), encoding="utf-8")
            return file

        def describe(self, target):
            return describe(target, paths=[self.folder])

    return Package()
