"""A composed config in, its problems out.

`check` is the whole pipeline; `fields` holds the schema files; `components` turns what a config names into schemas;
`rules/` is what no schema can say; `render_text` and `render_json` show the result, `annotations` and `sarif` to code
hosts; `bundle` joins all schemas into one for editors; `explain` is the page about a problem's code.
"""

from __future__ import annotations

# Functions that share their module's name have to be bound after it is loaded: here, and not at first use.
from runner.validation.bundle import bundle
from runner.validation.check import check, require_valid
from runner.validation.explain import codes, explain
from runner.validation.render import render_json, render_text

__all__ = ["bundle", "check", "codes", "explain", "render_json", "render_text", "require_valid"]
