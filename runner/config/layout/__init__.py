"""How a config's text is laid out: its fields in order, `type` first, indented alike, and nothing of it lost.

The text is taken apart by the scanner (`syntax.py`), and its pieces are put together again as they were written: fields
and keys in another order (`order.py`), with other spaces between them (`spacing.py`) and before them (`indent.py`). So
comments, quotes, numbers, anchors and line breaks stay what they are.
"""

from __future__ import annotations

from runner.config.layout.format import CannotFormat, format_text

__all__ = ["CannotFormat", "format_text"]
