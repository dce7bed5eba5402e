"""What is discovered, and what is said of what can't be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.plugin import discover

MODULE = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\ndef runner_register(catalog): ...\n"


@pytest.fixture
def plant():
    """Writes what an installed distribution leaves behind, into any folder."""

    def write(folder):
        (folder / "planted.py").write_text(MODULE)
        info = folder / "planted-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[runner]\nplanted = planted\n")

    return write


@pytest.mark.parametrize(
    "command", [["-m", "runner"], [str(Path(sys.executable).with_name("runner"))]], ids=["python -m runner", "runner"]
)
def test_nothing_is_loaded_from_the_current_folder(environment, plant, command):
    plant(environment.home)
    done = environment.python_run(*command, "plugins")
    assert done.returncode == 0
    assert "runner-vision" in done.stdout
    assert "planted" not in done.stdout + done.stderr
    assert not (environment.home / "ran").exists()


def test_the_same_is_loaded_from_where_packages_are_installed(environment, plant):
    plant(environment.site)
    assert "planted 1.0" in environment.runner("plugins").stdout
    assert (environment.site / "ran").exists()


def test_an_earlier_folder_shadows_a_later_one(environment, tmp_path):
    """As it does for imports: one distribution twice is no clash."""
    info = environment.site / "runner_vision-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: runner-vision\nVersion: 9.9\n")
    (info / "entry_points.txt").write_text("[runner]\nvision = runner_vision.plugin\n")
    done = environment.runner("plugins")
    assert done.returncode == 0
    assert "runner-vision 9.9" in done.stdout


@pytest.fixture
def discovered(tmp_path, monkeypatch):
    """What is discovered in a folder where one plugin is installed, a single module."""
    monkeypatch.syspath_prepend(tmp_path)

    def discover_one(plugin, name="odd"):
        (tmp_path / "odd_plugin.py").write_text(plugin)
        info = tmp_path / "runner_odd-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: runner-odd\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[runner]\n{name} = odd_plugin\n")
        return discover([str(tmp_path)])

    yield discover_one
    sys.modules.pop("odd_plugin", None)


@pytest.mark.parametrize(
    ("plugin", "says"),
    [
        (
            "from runner import hookimpl\n\n@hookimpl\ndef runner_chek(config): ...\n",
            "'runner_chek' in odd_plugin is no spec; did you mean 'runner_check'?",
        ),
        (
            "def runner_regsiter(catalog): ...\n",
            "'runner_regsiter' in odd_plugin is no spec; did you mean 'runner_register'?",
        ),
        (
            "from runner import hookimpl\n\n@hookimpl\ndef runner_register(registry): ...\n",
            "a spec in odd_plugin takes other arguments than its contract says",
        ),
        (
            "def runner_register(catalog):\n    catalog.metrik('A', 'a:A')\n",
            "runner_register in odd_plugin raised AttributeError: 'Registration' object has no attribute 'metrik'",
        ),
        (
            "def runner_register(catalog):\n    catalog.metric('A', 'a.A')\n",
            "the target of 'A' is 'a.A'; write 'package.module:Class'",
        ),
        (
            "def runner_register(catalog):\n    catalog.metric('A', 'a:A')\n    catalog.metric('A', 'a:B')\n",
            "'A' is offered twice in METRICS: as a:A and as a:B",
        ),
    ],
    ids=["misspelt", "misspelt-and-unmarked", "arguments", "no-such-kind", "no-target", "same-name-twice"],
)
def test_what_is_wrong_with_one_names_its_distribution(discovered, plugin, says):
    plugins = discovered(plugin)
    (problem,) = plugins.catalog.problems
    assert (problem.code, problem.severity, problem.path) == ("plugin-error", "error", "odd")
    assert problem.message.startswith(f"runner-odd: {says}")
    assert f"runner-odd: {plugins.found[0].error}" == problem.message


@pytest.mark.parametrize("name", ["local", "mmengine", "a.b"])
def test_a_plugins_name_stands_before_a_dot(discovered, name):
    (problem,) = discovered("def runner_register(catalog): ...\n", name).catalog.problems
    assert problem.message.startswith(f"runner-odd: '{name}' can't be a plugin's name")


def test_a_spec_without_its_mark_is_taken_for_what_it_is(discovered):
    plugins = discovered(
        "from runner import Problem\n\n"
        "def runner_register(catalog):\n    catalog.metric('A', 'a:A')\n\n"
        "def runner_check(config):\n    return [Problem(code='odd', path='', message=config)]\n\n"
        "def runner_bases():\n    return '/somewhere'\n"
    )
    assert plugins.catalog.problems == []
    assert [entry.qualified for entry in plugins.catalog.entries("metric")] == ["odd.A"]
    assert [problem.message for problem in plugins.check("asked")] == ["asked"]
    assert plugins.bases("odd") == plugins.bases("odd_plugin") == Path("/somewhere")
    assert plugins.bases("even") is None
