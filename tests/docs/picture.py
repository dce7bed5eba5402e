"""`docs/caught.svg`: the README's caught mistakes as a terminal shows them, made from what the command prints.

`python tests/docs/tables.py` writes it anew.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from documents import DOCUMENTS, ROOT, blocks

from runner.config import compose
from runner.validation import check, render_text

__all__ = ["PICTURE", "picture"]

PICTURE = ROOT / "docs" / "caught.svg"

_COLOURS = {"1": "#ffffff", "31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "0": "#c9d1d9"}
_WIDEST = 112
_LINE, _CHARACTER, _MARGIN = 18, 7.8, 14


def picture(folder: Path) -> str:
    """The picture.

    Args:
        folder: Where the config is put to be read, in a folder that looks like the checkout.
    """
    block = next(block for block in blocks(DOCUMENTS[0]) if block.file == "mistakes.yaml")
    (folder / "mistakes.yaml").write_text(block.text, encoding="utf-8")
    if not (folder / "examples").exists():
        (folder / "examples").symlink_to(ROOT / "examples")
    composition = compose("mistakes.yaml")
    text = render_text(check(composition), composition.sources, color=True)
    lines = [part for line in text.splitlines() for part in _folded(line)]
    return _svg(["\x1b[32m$\x1b[0m runner validate mistakes.yaml", *lines])


def _folded(line: str) -> list[str]:
    """A line as a narrow terminal breaks it, but between words."""
    if len(re.sub(r"\x1b\[\d+m", "", line)) <= _WIDEST:
        return [line]
    head, _, hint = line.rpartition("; ")
    return [f"{head};", f"  {hint}"]


def _svg(lines: list[str]) -> str:
    width = round(_WIDEST * _CHARACTER + 2 * _MARGIN)
    height = len(lines) * _LINE + 2 * _MARGIN
    rows = [
        f'<text x="{_MARGIN}" y="{_MARGIN + (number + 0.75) * _LINE:g}" xml:space="preserve">{_spans(line)}</text>'
        for number, line in enumerate(lines)
    ]
    font = 'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" fill="#c9d1d9"'
    size = f'width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size} {font}>',
            f'<rect {size} rx="8" fill="#0d1117"/>',
            *rows,
            "</svg>\n",
        ]
    )


def _spans(line: str) -> str:
    """The line's text, each stretch in the colour that its escape sequences set."""
    parts = re.split(r"\x1b\[(\d+)m", line)
    spans = [escape(parts[0], quote=False)]
    for code, text in zip(parts[1::2], parts[2::2], strict=True):
        if text:
            shown = escape(text, quote=False)
            spans.append(shown if code == "0" else f'<tspan fill="{_COLOURS[code]}">{shown}</tspan>')
    return "".join(spans)
