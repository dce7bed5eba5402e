"""Editors: the schema put where a YAML language server finds it, and kept up to date.

`install` is what `runner schema --install` does, `refresh` what `runner validate` does in passing. `fingerprint` says
whether what is installed has changed, `modeline` is the comment in a config, `settings` VS Code's for a workspace.
"""

from __future__ import annotations

from runner.editor.install import Written, install, refresh, workspace

__all__ = ["Written", "install", "refresh", "workspace"]
