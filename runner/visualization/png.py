"""Writes arrays as PNG images, with the standard library's compressor alone."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np

__all__ = ["encode_png"]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES: Final = {1: 0, 3: 2, 4: 6}


def encode_png(image: np.ndarray[Any, Any]) -> bytes:
    """The bytes of a PNG file.

    Args:
        image: Grey (H, W) or (H, W, 1), RGB (H, W, 3) or RGBA (H, W, 4), of dtype uint8.

    Raises:
        ValueError: It has another shape or dtype, or no pixels.

    Source: PNG specification (third edition, W3C 2025), sections 5, 7 and 9.
    """
    pixels = image[..., np.newaxis] if image.ndim == 2 else image
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in _COLOR_TYPES or not pixels.size:
        raise ValueError(
            f"an image must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {image.dtype} {image.shape}"
        )
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    # Each row begins with the number of its filter; 0 is none.
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)
    rows[:, 1:] = pixels.reshape(height, width * channels)
    data = zlib.compress(rows.tobytes(), 6)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
