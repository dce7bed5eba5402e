"""Files wherever they are: on this machine, behind http, in an object store, in an archive.

io.py             a function for each thing that is done with a file, under MMEngine's names
parse.py          text files of one item a line
handlers.py       formats: JSON, YAML, pickles of plain data
plain_pickle.py   a reader of pickles that runs nothing
choose.py         which backend a path means
backend.py        what a backend is, and `BackendArgs`
local.py, http.py, lmdb.py, remote.py   the backends; the last is everything that fsspec reads
atomic.py         writing so that a file is never seen half written
"""

from __future__ import annotations

from runner.fileio.backend import BackendArgs, BaseStorageBackend
from runner.fileio.choose import get_file_backend, register_backend
from runner.fileio.handlers import BaseFileHandler, JsonHandler, PickleHandler, YamlHandler, register_handler
from runner.fileio.http import HTTPBackend
from runner.fileio.io import (
    copy_if_symlink_fails,
    copyfile,
    copyfile_from_local,
    copyfile_to_local,
    copytree,
    copytree_from_local,
    copytree_to_local,
    dump,
    exists,
    generate_presigned_url,
    get,
    get_local_path,
    get_text,
    isdir,
    isfile,
    join_path,
    list_dir_or_file,
    load,
    put,
    put_text,
    remove,
    rmtree,
)
from runner.fileio.lmdb import LmdbBackend
from runner.fileio.local import LocalBackend
from runner.fileio.parse import dict_from_file, list_from_file
from runner.fileio.plain_pickle import load_plain_pickle
from runner.fileio.remote import FsspecBackend

__all__ = [
    "BackendArgs",
    "BaseFileHandler",
    "BaseStorageBackend",
    "FsspecBackend",
    "HTTPBackend",
    "JsonHandler",
    "LmdbBackend",
    "LocalBackend",
    "PickleHandler",
    "YamlHandler",
    "copy_if_symlink_fails",
    "copyfile",
    "copyfile_from_local",
    "copyfile_to_local",
    "copytree",
    "copytree_from_local",
    "copytree_to_local",
    "dict_from_file",
    "dump",
    "exists",
    "generate_presigned_url",
    "get",
    "get_file_backend",
    "get_local_path",
    "get_text",
    "isdir",
    "isfile",
    "join_path",
    "list_dir_or_file",
    "list_from_file",
    "load",
    "load_plain_pickle",
    "put",
    "put_text",
    "register_backend",
    "register_handler",
    "remove",
    "rmtree",
]
