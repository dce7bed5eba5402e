"""Bytes to images, numbers and text, by webdataset's decoders. Nothing in a shard is ever executed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch
from webdataset.autodecode import ImageHandler, decoders  # type: ignore[import-untyped] # it has no type hints

from runner_streaming.errors import ShardError
from runner_streaming.records import Record

__all__ = ["Decoder", "Images"]

Images: TypeAlias = Literal[
    "pil", "pill", "pilrgba", "rgb8", "l8", "rgb", "l", "torchrgb8", "torchl8", "torchrgb", "torchl"
]
"""What an image becomes, in webdataset's words."""

_PICKLES = {"pkl", "pickle", "pyd"}
_PLAIN = {name: decode for name, decode in decoders.items() if name not in _PICKLES | {"pth"}}


class Decoder:
    """Makes of a sample's files what a data set hands out.

    Args:
        fields: Extensions, for a tuple with the content of each; alternatives stand between semicolons. None makes a
            mapping of all, with the sample's `__key__`.
        images: What an image becomes.
    """

    def __init__(self, fields: Sequence[str] | None, images: Images | None) -> None:
        self._fields = None if fields is None else [field.lower().split(";") for field in fields]
        self._image = None if images is None else ImageHandler(images)

    def __call__(self, record: Record) -> Any:
        """Decode a sample.

        Raises:
            ShardError: It lacks a field, or a file is not what its extension says.
        """
        if self._fields is None:
            return {"__key__": record.key, **{name: self._decoded(record, name) for name in record.parts}}
        values = []
        for names in self._fields:
            name = next((each for each in names if each in record.parts), None)
            if name is None:
                raise ShardError(
                    f"{record.url}: the sample '{record.key}' has no {' or '.join(names)}; it has {', '.join(record.parts)}"
                )
            values.append(self._decoded(record, name))
        return tuple(values)

    def _decoded(self, record: Record, name: str) -> Any:
        content, ending = record.parts[name], name.rpartition(".")[2]
        if ending in _PICKLES:
            raise ShardError(
                f"{record.url}: {record.key}.{name} is a pickle, which can run code when it is read, and is not read; write it "
                "as npy, json, txt or cls, or leave it out of `fields`"
            )
        try:
            if ending == "pth":
                return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            if ending in _PLAIN:
                return _PLAIN[ending](content)
            image = None if self._image is None else self._image(name, content)
        except Exception as error:
            raise ShardError(f"{record.url}: {record.key}.{name} can't be read as {ending}: {error}") from error
        return content if image is None else image
