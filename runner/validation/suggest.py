"""What was probably meant: one way of telling for configs, plugins and schemas."""

from __future__ import annotations

from runner.config.suggest import nearest

__all__ = ["nearest"]
