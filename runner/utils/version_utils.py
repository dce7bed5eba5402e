"""Versions, to compare."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

__all__ = ["digit_version", "get_git_hash"]

_VERSION = re.compile(
    r"""\s* v? (?:\d+!)? (?P<release>\d+(?:\.\d+)*)
    (?: [-_.]? (?P<pre>alpha|a|beta|b|preview|pre|c|rc) [-_.]? (?P<pre_number>\d+)? )?
    (?P<post> -(?P<post_bare>\d+) | [-_.]? (?:post|rev|r) [-_.]? (?P<post_number>\d+)? )?
    (?P<dev> [-_.]? dev [-_.]? \d* )?
    (?: \+ [a-z0-9]+ (?:[-_.][a-z0-9]+)* )? \s*""",
    re.VERBOSE | re.IGNORECASE,
)
_PRE = {"alpha": -3, "a": -3, "beta": -2, "b": -2, "preview": -1, "pre": -1, "c": -1, "rc": -1}
_DEV = -4


def digit_version(version_str: str, length: int = 4) -> tuple[int, ...]:
    """A version as numbers that compare as versions do: `1.10.0rc1` is (1, 10, 0, 0, -1, 1).

    Args:
        version_str: A version as of PEP 440; what follows a `+` is left out.
        length: How many numbers of the release there are; filled up with zeros.

    Raises:
        ValueError: It is no version.
    """
    found = _VERSION.fullmatch(version_str)
    if found is None:
        raise ValueError(f"digit_version: {version_str!r} is no version; write one as 1.10.0 or 2.0.0rc1")
    release = [int(number) for number in found["release"].split(".")][:length]
    release += [0] * (length - len(release))
    if found["pre"]:
        return (*release, _PRE[found["pre"].lower()], int(found["pre_number"] or 0))
    if found["dev"]:
        return (*release, _DEV, 0)
    if found["post"]:
        return (*release, 1, int(found["post_bare"] or found["post_number"] or 0))
    return (*release, 0, 0)


def get_git_hash(fallback: str = "unknown", digits: int | None = None) -> str:
    """The commit that the current folder's repository is at.

    Args:
        fallback: What to give where there is no git, or no repository.
        digits: How many digits of it; all of them when None.
    """
    if digits is not None and not isinstance(digits, int):
        raise TypeError(f"get_git_hash: digits is a {type(digits).__name__}; it must be a number")
    git = shutil.which("git")
    if git is None:
        return fallback
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(  # noqa: S603 - git's own question
        [git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False, env=environment
    )
    return done.stdout.strip()[:digits] if done.returncode == 0 else fallback
