"""Files behind http:// and https://."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from runner.errors import StorageError
from runner.fileio.backend import BaseStorageBackend, PathLike

__all__ = ["HTTPBackend"]


class HTTPBackend(BaseStorageBackend):
    """Reads files behind http:// and https://, by the standard library alone; proxies as the environment says.

    Args:
        headers: Headers of each request.
        timeout: Seconds to wait for an answer, and for each part of it.
    """

    def __init__(self, headers: dict[str, str] | None = None, timeout: float = 60.0) -> None:
        self.headers = dict(headers or {})
        self.timeout = timeout

    def get(self, filepath: PathLike) -> bytes:
        """The file's bytes.

        Raises:
            FileNotFoundError: The server has no such file.
            StorageError: It can't be reached, refuses, or stops before the end.
        """
        url = str(filepath)
        try:
            with self._open(url, "GET") as answer:
                content: bytes = answer.read()
        except http.client.HTTPException as error:
            raise StorageError(f"{url}: the download broke off ({error}); try again") from error
        return content

    def exists(self, filepath: PathLike) -> bool:
        """Whether the server has it."""
        try:
            with self._open(str(filepath), "HEAD"):
                return True
        except FileNotFoundError:
            return False

    def isfile(self, filepath: PathLike) -> bool:
        """Whether the server has it; there are no folders."""
        return self.exists(filepath)

    def isdir(self, filepath: PathLike) -> bool:  # noqa: ARG002 - the contract's argument
        """False: there are no folders."""
        return False

    def copyfile_to_local(self, src: PathLike, dst: PathLike) -> str:
        """Download a file."""
        from runner.fileio.local import LocalBackend

        local = LocalBackend()
        if local.isdir(dst):
            dst = local.join_path(dst, str(src).partition("?")[0].rstrip("/").rpartition("/")[2])
        local.put(self.get(src), dst)
        return str(dst)

    def _open(self, url: str, method: str) -> Any:
        if not url.startswith(("http://", "https://")):
            raise StorageError(f"{url}: this is no address of the web; it must begin with http:// or https://")
        headers: Mapping[str, str] = self.headers
        request = urllib.request.Request(url, headers=dict(headers), method=method)  # noqa: S310 - see above
        try:
            return urllib.request.urlopen(request, timeout=self.timeout)  # noqa: S310 - see above
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in {404, 410}:
                raise FileNotFoundError(f"{url}: the server has no such file ({error.code})") from error
            raise StorageError(f"{url}: the server answered {error.code} {error.reason}") from error
        except (urllib.error.URLError, OSError) as error:
            raise StorageError(f"{url} can't be reached: {getattr(error, 'reason', error)}") from error
