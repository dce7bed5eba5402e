"""Plugins: what a distribution can add (`hookspecs`), what all of them offer (`catalog`), and how they are found."""

from __future__ import annotations

from runner.plugin.catalog import LOCAL, Catalog, Entry, Registration
from runner.plugin.discovery import PROCESS_ENTRIES, Plugin, Plugins, default_plugins, discover
from runner.plugin.hookspecs import hookimpl

__all__ = [
    "LOCAL",
    "PROCESS_ENTRIES",
    "Catalog",
    "Entry",
    "Plugin",
    "Plugins",
    "Registration",
    "default_plugins",
    "discover",
    "hookimpl",
]
