"""Tar files for the tests."""

from __future__ import annotations

import io
import tarfile


def tar_of(samples):
    """A tar file's bytes: for each sample its key and files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for key, parts in samples:
            for extension, content in parts.items():
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()
