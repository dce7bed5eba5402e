"""The real yaml-language-server, installed once by npm into a folder of its own and spoken to as an editor does."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["VERSION", "Editor", "installed", "missing"]

VERSION = "1.25.0"
_TIMEOUT = 60


def missing() -> str | None:
    """Why the server can't be run here, if it can't."""
    lacking = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not found" if lacking else None


def installed(cache: Path) -> Path:
    """The server's program; installed into a folder that other runs of the tests find again.

    Args:
        cache: A folder to keep it in.
    """
    home = cache / f"yaml-language-server-{VERSION}"
    program = home / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = home / "done"
        if not done.exists():
            command = [
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--prefix",
                str(home),
                f"yaml-language-server@{VERSION}",
            ]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            done.touch()
    return program


class Editor:
    """A client of the server: opens texts and asks what an editor asks.

    Args:
        program: The server.
        folder: The workspace.
        settings: The editor's settings, as in VS Code's `settings.json`.

    Attributes:
        inside: The folder in the workspace that texts are opened in.
    """

    inside = ""

    def __init__(self, program: Path, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            ["node", str(program), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NODE_OPTIONS": ""},
        )
        self._numbers = itertools.count(1)
        self._news = threading.Condition()
        self._answers: dict[int, Any] = {}
        self._diagnostics: dict[str, list[Any] | None] = {}
        self._settings: dict[str, dict[str, Any]] = {"yaml": {"schemaStore": {"enable": False}}}
        for name, value in settings.items():
            section, _, key = name.partition(".")
            self._settings.setdefault(section, {})[key] = value
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._greet()

    def _greet(self) -> None:
        root = self._folder.as_uri()
        markdown = {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}}
        capabilities = {
            "textDocument": {"completion": markdown, "hover": {"contentFormat": ["markdown"]}},
            "workspace": {"configuration": True, "workspaceFolders": True},
        }
        folders = [{"uri": root, "name": "workspace"}]
        self._ask(
            "initialize",
            {"processId": None, "rootUri": root, "workspaceFolders": folders, "capabilities": capabilities},
        )
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self._settings})

    @classmethod
    @contextlib.contextmanager
    def opened(cls, program: Path, folder: Path, settings: dict[str, Any] | None = None) -> Iterator[Editor]:
        """An editor on a folder, closed at the end."""
        editor = cls(program, folder, settings or {})
        try:
            yield editor
        finally:
            editor.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    # ---- what an editor asks -----------------------------------------------------------------------------------------

    def open(self, text: str) -> str:
        """Show a text, as it would stand in a new file of the workspace; returns its address."""
        uri = (self._folder / self.inside / f"text{next(self._numbers)}.yaml").as_uri()
        with self._news:
            self._diagnostics[uri] = None
        self._tell(
            "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}}
        )
        return uri

    def completions(self, text: str) -> list[str]:
        """What is offered where `|` stands in a text."""
        uri, position = self._place(text)
        found = self._ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": position})
        items = found["items"] if isinstance(found, dict) else found
        return [item["label"] for item in items]

    def documentation(self, text: str, label: str) -> str:
        """What is said beside one of the things offered where `|` stands."""
        uri, position = self._place(text)
        found = self._ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": position})
        (item,) = [item for item in found["items"] if item["label"] == label]
        said = item.get("documentation", "")
        return said["value"] if isinstance(said, dict) else said

    def hover(self, text: str) -> str:
        """What is shown where `|` stands, without Markdown's backslashes."""
        uri, position = self._place(text)
        found = self._ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
        return found["contents"]["value"].replace("\\", "") if found else ""

    def diagnostics(self, text: str) -> list[tuple[int, int, str]]:
        """Line and column, from 1, and message of everything that is marked."""
        uri = self.open(text)
        with self._news:
            assert self._news.wait_for(lambda: self._diagnostics.get(uri) is not None, _TIMEOUT), "no diagnostics"
            return _marked(self._diagnostics[uri] or [])

    def marks(self, text: str, wanted: tuple[int, int, str]) -> bool:
        """Whether something comes to be marked; the server reads its settings after it has begun to answer."""
        uri = self.open(text)
        with self._news:
            return self._news.wait_for(lambda: wanted in _marked(self._diagnostics[uri] or []), _TIMEOUT)

    def changed(self, file: Path) -> None:
        """Say that a file has changed on the disk, as an editor does that watches them."""
        self._tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": file.as_uri(), "type": 2}]})

    def _place(self, text: str) -> tuple[str, dict[str, int]]:
        before, _, after = text.partition("|")
        uri = self.open(before + after)
        return uri, {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}

    # ---- the wire ----------------------------------------------------------------------------------------------------

    def _ask(self, method: str, params: Any) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        with self._news:
            assert self._news.wait_for(lambda: number in self._answers, _TIMEOUT), f"no answer to {method}"
            answer = self._answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := stream.readline():
            length = 0
            while line.strip():
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
                line = stream.readline()
            self._take(json.loads(stream.read(length)))

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is not None and "id" in message:
            self._send({"id": message["id"], "result": self._configuration(message)})
            return
        with self._news:
            if method == "textDocument/publishDiagnostics":
                uri = message["params"]["uri"]
                if uri in self._diagnostics:
                    self._diagnostics[uri] = message["params"]["diagnostics"]
            elif method is None:
                self._answers[message["id"]] = message
            self._news.notify_all()

    def _configuration(self, message: dict[str, Any]) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        return [self._settings.get(item.get("section", "")) for item in message["params"]["items"]]


def _marked(diagnostics: list[Any]) -> list[tuple[int, int, str]]:
    return [
        (each["range"]["start"]["line"] + 1, each["range"]["start"]["character"] + 1, each["message"])
        for each in diagnostics
    ]
