"""Texts made to harm: each gives a problem at its place, quickly and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 4  # two on a machine that does nothing else
MEGABYTES = 300

# The child limits its own memory, so that a bomb kills it and not the machine.
CHILD = f"""
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({MEGABYTES} << 20, {MEGABYTES} << 20))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from runner.config import compose
start = time.process_time()
composition = compose(sys.argv[1], overrides=sys.argv[2:])
seconds = time.process_time() - start
problems = [[p.code, p.origin.line, p.origin.column, len(str(p)), p.origin.file] for p in composition.problems]
print(json.dumps(dict(seconds=seconds, problems=problems, modules=[m for m in ("torch", "numpy") if m in sys.modules])))
"""


def compose_in_child(path: Path, *overrides: str) -> list[list]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), *overrides], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["seconds"] < SECONDS
    assert result["modules"] == []
    assert all(length < 1500 for _, _, _, length, _ in result["problems"])
    return result["problems"]


def alias_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


def merge_bomb() -> str:
    lines = ["a0: &a0 {k: v, l: w}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], k{n}: 1}}" for n in range(1, 30)]
    return "\n".join(lines)


def merge_bomb_in_keys() -> str:
    wide = ", ".join(f"k{n}: {n}" for n in range(5000))
    return f"a: &a {{{wide}}}\nb:\n" + "  ? {<<: *a}\n  : 1\n" * 5000


def reference_bomb(*, text: bool) -> str:
    lines = ["vars:", "  a0: xxxxxxxxxx" if text else "  a0: [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 12):
        one = f"${{vars.a{n - 1}}}"
        lines.append(f"  a{n}: {one * 9}" if text else f"  a{n}: [{', '.join([json.dumps(one)] * 9)}]")
    return "\n".join(lines)


HOSTILE = {
    "alias bomb": (alias_bomb(), "alias-bomb", (5, 40)),
    "merge-key bomb": (merge_bomb(), "alias-bomb", None),
    "merge keys inside keys": (merge_bomb_in_keys(), "alias-bomb", None),
    "an alias in its own anchor": ("a: &a\n  b: *a\n", "recursive-alias", (2, 6)),
    "an alias in its own anchor, at the top": ("&a [*a]\n", "recursive-alias", (1, 5)),
    "a merge of itself": ("a: &a\n  <<: *a\n", "recursive-alias", (2, 7)),
    "100,000 lists deep": ("a: " + "[" * 100_000, "too-deep", (1, 67)),
    "100,000 mappings deep": ("{a: " * 100_000, "too-deep", None),
    "100,000 deep, closed": ("a: " + "[" * 100_000 + "]" * 100_000, "too-deep", None),
    "100,000 deep in a block": ("a:\n  " + "- " * 100_000 + "x", "too-deep", None),
    "100,000 keys deep": ("? " * 100_000 + "x", "too-deep", None),
    "indented 2,000 deep": ("".join(f"{' ' * n}a:\n" for n in range(1400)), "too-deep", (65, 65)),
    "deep through aliases": (
        "".join(f"a{n}: &a{n} {'[' * 30}{f'*a{n - 1}' if n else 1}{']' * 30}\n" for n in range(9)),
        "too-deep",
        None,
    ),
    "a 50 MB scalar": ("a: " + "x" * 50_000_000, "too-large", (1, 1)),
    "1 MB of one line": ("a: " + "x " * 600_000, "too-large", (1, 1)),
    "0.9 MB of a plain text": ("a: " + "x " * 450_000 + "\nb: [", "yaml-syntax", None),
    "0.9 MB of blanks": ("a: 1" + " \n" * 450_000 + "b: [", "yaml-syntax", None),
    "0.9 MB of comments": ("a: 1\n" + "# x\n" * 225_000 + "b: [", "yaml-syntax", None),
    "0.9 MB of one comment": ("a: 1 #" + "x" * 900_000 + "\nb: [", "yaml-syntax", None),
    "0.9 MB of quotes": ('a: "' + "\\n" * 450_000 + '"\nb: [', "yaml-syntax", None),
    "0.9 MB of a block text": ("a: |\n" + " x\n" * 300_000 + "b: [", "yaml-syntax", None),
    "0.9 MB of directives": ("%a b\n" * 180_000, "yaml-syntax", None),
    "0.9 MB of tags": ("a: " + "!x" * 450_000, "yaml-syntax", None),
    "an anchor of 0.9 MB": ("a: &" + "x" * 900_000 + " 1\nb: [", "yaml-syntax", None),
    "a million values": ("a: [" + "1," * 450_000 + "1]", "too-large", None),
    "documents without end": ("---\n" * 200_000, "several-documents", (2, 1)),
    "a Python object": ("a: !!python/object/apply:os.system ['true']\n", "unknown-tag", (1, 4)),
    "a Python name": ("a: !!python/name:os.system\n", "unknown-tag", (1, 4)),
    "a local tag": ("a: !x {b: 1}\n", "unknown-tag", (1, 4)),
    "a binary": ("a: !!binary aGVsbG8=\n", "unknown-tag", (1, 4)),
    "a tag by a directive": ("%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:x []\n", "unknown-tag", (3, 4)),
    "a NUL byte": ("a: 1\nb: x\0y\n", "bad-character", (2, 5)),
    "an escaped NUL": ('a: "x\\0y"\n', "bad-character", (1, 4)),
    "an escape beyond Unicode": ('a: "\\UFFFFFFFF"\n', "yaml-syntax", None),
    "half a character": ('a: "\\ud800"\n', "bad-character", (1, 4)),
    "an escape character": ("a: \x1b[31mred\n", "bad-character", (1, 4)),
    "an empty file": ("", "empty-config", (1, 1)),
    "only a comment": ("# nothing\n", "empty-config", (1, 1)),
    "null": ("null\n", "empty-config", (1, 1)),
    "a list at the top": ("- a: 1\n", "not-a-mapping", (1, 1)),
    "a text at the top": ("model\n", "not-a-mapping", (1, 1)),
    "a long number": ("a: " + "9" * 100_000, "bad-number", (1, 4)),
    "a number beyond floats": ("a: 1e999\n", "bad-number", (1, 4)),
    "references that multiply": (reference_bomb(text=False), "too-large", None),
    "references that double texts": (reference_bomb(text=True), "too-large", None),
    "a chain of references": (
        "vars:\n" + "".join(f"  a{n}: ${{vars.a{n + 1}}}\n" for n in range(5000)),
        "too-deep",
        None,
    ),
    "a tower of references": (
        "vars:\n  a0: 1\n" + "".join(f"  a{n}: {{x: '${{vars.a{n - 1}}}'}}\n" for n in range(1, 3000)),
        "too-deep",
        None,
    ),
    "defaults in defaults": ("a: " + "${env:NO," * 20_000 + "x" + "}" * 20_000, "bad-interpolation", (1, 4)),
    "braces without end": ("a: " + "${" * 100_000, "bad-interpolation", (1, 4)),
    "references by the hundred thousand": ("a: 1\nb: " + "${a}" * 220_000, "too-large", (2, 4)),
    "misspelt references by the thousand": (
        "vars: {"
        + ", ".join(f"keykey{n}: 1" for n in range(4000))
        + "}\n"
        + "".join(f"a{n}: ${{vars.kekkey{n}x}}\n" for n in range(4000)),
        "missing-variable",
        None,
    ),
    "undefined aliases by the thousand": (
        "".join(f"a{n}: &anchor{n} 1\n" for n in range(5000)) + "".join(f"b{n}: *anchr{n}x\n" for n in range(5000)),
        "undefined-alias",
        None,
    ),
    "a long misspelt reference": (
        "vars: {" + ", ".join(f"k{n}: 1" for n in range(9000)) + "}\na: ${vars." + "k" * 100_000 + "}",
        "missing-variable",
        None,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_a_problem(name, tmp_path):
    text, code, place = HOSTILE[name]
    path = tmp_path / "hostile.yaml"
    path.write_text(text, encoding="utf-8")
    problems = compose_in_child(path)
    assert code in {problem[0] for problem in problems}
    if place is not None:
        assert [problem[:3] for problem in problems if problem[0] == code] == [[code, *place]]


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"a: 1\nb: \xff\xfe\n", "not-utf8", [2, 4]),
        ("a: 1\n".encode("utf-16"), "not-utf8", [1, 1]),
        ("a: é\nb: \xe9\n".encode() + "ü: é".encode("latin-1"), "not-utf8", [3, 1]),
        (b"\0" * 1000, "bad-character", [1, 1]),
        (bytes(range(256)), "not-utf8", [2, 118]),
    ],
)
def test_bytes_that_are_no_text(content, code, place, tmp_path):
    path = tmp_path / "hostile.yaml"
    path.write_bytes(content)
    assert [problem[:3] for problem in compose_in_child(path)] == [[code, *place]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": ' * 100_000, "too-deep"),
        ("[" * 100_000, "too-deep"),
        ('{"a": [' + "1," * 400_000 + "1]}", "too-large"),
        ('{"a": "' + "\\u0061" * 100_000, "json-syntax"),
        ('{"a": ' + "9" * 100_000 + "}", "bad-number"),
        ("", "empty-config"),
    ],
)
def test_hostile_json(text, code, tmp_path):
    path = tmp_path / "hostile.json"
    path.write_text(text, encoding="utf-8")
    assert [problem[0] for problem in compose_in_child(path)] == [code]


def test_bases_that_multiply(tmp_path):
    for n in range(200):
        (tmp_path / f"{n}.yaml").write_text(f"_base_: [{n + 1}.yaml, ./{n + 1}.yaml]\nk{n}: 1\n", encoding="utf-8")
    assert "too-large" in {problem[0] for problem in compose_in_child(tmp_path / "0.yaml")}


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("a=" + "[" * 50_000, "too-deep"),
        ("a.b." * 10_000 + "c=1", "bad-override"),
        ("a=!!python/name:os.system x", "unknown-tag"),
        ("a=&x [*x]", "recursive-alias"),
    ],
)
def test_hostile_overrides(override, code, tmp_path):
    path = tmp_path / "fine.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    problems = compose_in_child(path, override)
    assert [(problem[0], problem[1], problem[4]) for problem in problems] == [(code, 1, "<command line>")]


def test_a_device_without_end_is_no_config():
    assert [problem[0] for problem in compose_in_child(Path("/dev/zero"))] == ["too-large"]
