"""The page about each code: what it means, why it hurts, how to mend it, an example."""

from __future__ import annotations

from pathlib import Path

from runner.errors import RunnerError
from runner.validation.suggest import nearest

__all__ = ["codes", "explain"]

_PAGES = Path(__file__).parent / "pages"


def codes() -> list[str]:
    """Every code that a problem can have, sorted."""
    return sorted(page.stem for page in _PAGES.glob("*.md"))


def explain(code: str) -> str:
    """The page about a code, in Markdown.

    Raises:
        RunnerError: There is no such code.
    """
    known = codes()
    if code not in known:
        near = nearest(code, known)
        hint = f"did you mean '{near}'?" if near else f"the codes are {', '.join(known)}"
        raise RunnerError(f"no problem has the code '{code}'; {hint}")
    return (_PAGES / f"{code}.md").read_text(encoding="utf-8")
