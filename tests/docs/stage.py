"""Runs what a document shows, in a folder of its own and in this process: starting one for each command would take minutes."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from documents import ROOT, Block

from runner.cli.app import COMMANDS, run
from runner.config import compose
from runner.plugin import PROCESS_ENTRIES, default_plugins
from runner.validation import check, render_text

# pytest brings tomli where Python has no tomllib.
tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

__all__ = ["Stage"]

DIGITS = ROOT / "examples" / "digits" / "digits.yaml"
"""What a fragment of a config is laid over."""


class Stage:
    """A folder that looks like the checkout, and what a document's blocks have left behind so far.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.exit_code = 0
        for name in ("examples", "plugins", "constraints.txt"):
            (folder / name).symlink_to(ROOT / name)

    # ---- blocks ------------------------------------------------------------------------------------------------------

    def play(self, block: Block) -> None:
        """Run a block, or hold it against what it has to be.

        Raises:
            AssertionError: It is not what it claims to be.
        """
        if block.file is not None:
            target = self.folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        played = getattr(self, f"_play_{block.language}", None)
        assert played is not None, f"{block.place}: nothing is known about blocks of {block.language or 'no language'}"
        if block.reason is None or block.language in {"console", "sh"}:
            played(block)

    def _play_yaml(self, block: Block) -> None:
        kind, text = block.remark or ("", "")
        if kind == "the other":
            return
        expected = sorted(text.split(", ")) if kind == "problems" else []
        whole = block.file is not None or re.search("^(_base_|model):", block.text, re.MULTILINE)
        config = block.text if whole else f"_base_: {DIGITS}\n{block.text}"
        name = block.file or "fragment.yaml"
        composition = compose(
            self.folder / name, text=config, find_package=default_plugins().bases, environ={"HOME": "/", **os.environ}
        )
        problems = check(composition)
        shown = render_text(problems, composition.sources)
        assert sorted(problem.code for problem in problems) == expected, f"{block.place}:\n{shown}"

    def _play_json(self, block: Block) -> None:
        composition = compose(self.folder / "block.json", text=block.text)
        problems = check(composition)
        assert not problems, f"{block.place}:\n{render_text(problems, composition.sources)}"

    def _play_toml(self, block: Block) -> None:
        tomllib.loads(block.text)

    def _play_python(self, block: Block) -> None:
        if block.remark and block.remark[0] == "the other":
            compile(block.text, block.place, "exec")
            return
        # As many lines before it as the document has, so that a traceback names the document's line.
        code = compile("\n" * block.line + block.text, str(block.document), "exec")
        if block.file is None:
            printed = io.StringIO()  # by the block itself; runs write to the standard output too
            self.names["print"] = functools.partial(print, file=printed)
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, self.names)
            self._compare(block, block.text, _claimed(block.text), printed.getvalue())

    def _play_sh(self, block: Block) -> None:
        for command in block.text.splitlines():
            self._command(block, command)

    def _play_console(self, block: Block) -> None:
        for command, output in _session(block):
            printed = self._command(block, command)
            if printed is not None:
                self._compare(block, command, output, printed)

    def _play_text(self, block: Block) -> None:
        assert block.reason is None, f"{block.place}: text is never run, so there is no reason to give"

    def _compare(self, block: Block, command: str, expected: str, got: str) -> None:
        lines = expected.rstrip().splitlines()
        pattern = "".join(
            r"(?:.*\n)*?" if line == "…" else re.escape(line.rstrip()).replace("…", ".*") + r"\n" for line in lines
        )
        got = re.sub(r"\x1b\[[0-9;]*m", "", got).rstrip()
        got = "".join(f"{line.rstrip()}\n" for line in got.splitlines())
        message = f"{block.place}: {command}\n---- the document says\n{expected}\n---- it printed\n{got}"
        assert re.fullmatch(pattern, got), message

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _command(self, block: Block, line: str) -> str | None:
        """Run a command; what it printed, or None for one that is not run."""
        words = shlex.split(line, comments=True)
        variables = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, variables[name] = words.pop(0).partition("=")
        if block.reason is not None:
            _parse(words, block)
            return None
        program, *arguments = words
        played = getattr(self, f"_run_{program}", None)
        assert played is not None, f"{block.place}: '{program}' can't be run here; give the block a reason"
        printed = io.StringIO()
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                played(arguments)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        return printed.getvalue()

    def _run_runner(self, arguments: list[str]) -> None:
        self.exit_code = run(arguments)

    def _run_python(self, arguments: list[str]) -> None:
        before, sys.argv = sys.argv, arguments[arguments[0] == "-m" :]
        try:
            (runpy.run_module if arguments[0] == "-m" else runpy.run_path)(sys.argv[0], run_name="__main__")
        finally:
            sys.argv = before

    def _run_echo(self, arguments: list[str]) -> None:
        sys.stdout.write(" ".join(arguments).replace("$?", str(self.exit_code)) + "\n")

    def _run_cat(self, arguments: list[str]) -> None:
        sys.stdout.write("".join(Path(name).read_text(encoding="utf-8") for name in arguments))

    def _run_ls(self, arguments: list[str]) -> None:
        names = sorted(path.name for path in Path(*arguments).iterdir() if not path.name.startswith("."))
        sys.stdout.write("".join(f"{name}\n" for name in names))

    def _run_pip(self, arguments: list[str]) -> None:
        """What `pip install -e FOLDER` leaves behind, without pip's seconds: its metadata, and the folder on the path."""
        assert arguments[:2] == ["install", "-e"], f"pip {' '.join(arguments)} is not played here"
        project = self.folder / arguments[2]
        table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = project / f"{table['name'].replace('-', '_')}-{table['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {table['name']}\nVersion: {table['version']}\n")
        points = "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
            for group, entries in table["entry-points"].items()
        )
        (info / "entry_points.txt").write_text(points)
        sys.path.append(str(project))
        importlib.invalidate_caches()
        default_plugins.cache_clear()


def _claimed(code: str) -> str:
    """What a block of Python says that it prints: the comments behind its `print` calls."""
    claims = re.findall(r"(?m)^\s*print\(.*\)  # (.*)$", code)
    calls = len(re.findall(r"(?m)^\s*print\(", code))
    assert len(claims) == calls, "each print has what it prints behind it, after two spaces and '# '"
    return "\n".join(claims)


def _session(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    parts = re.split(r"(?m)^\$ ", block.text)
    assert not parts[0].strip(), f"{block.place}: output stands before the first command"
    for part in parts[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def _parse(words: list[str], block: Block) -> None:
    """See that a command of ours that is not run exists, with its options."""
    import typer

    words = [word.rpartition("/")[2] if word.endswith("/runner") else word for word in words]
    while words and words[0] != "runner" and "runner" in words:
        words.pop(0)
    if words[:1] != ["runner"] or len(words) == 1:
        return
    assert words[1] in COMMANDS, f"{block.place}: there is no command '{words[1]}'"
    from runner.cli.arguments import normalize

    command = typer.main.get_command(importlib.import_module(f"runner.cli.{words[1].replace('-', '_')}").app)
    command.make_context(words[1], normalize(words[2:]))


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put back what runs in this process leave behind for the ones after them."""
    paths, modules, entries = list(sys.path), set(sys.modules), list(PROCESS_ENTRIES)
    try:
        yield
    finally:
        sys.path[:] = paths
        PROCESS_ENTRIES[:] = entries
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if not file.startswith((str(ROOT), sys.prefix, sys.base_prefix)):
                del sys.modules[name]
        default_plugins.cache_clear()
        importlib.invalidate_caches()
        torch.use_deterministic_algorithms(False)
