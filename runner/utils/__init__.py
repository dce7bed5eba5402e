"""MMEngine's small functions that other packages import and that have no plain standard equivalent."""

from __future__ import annotations
