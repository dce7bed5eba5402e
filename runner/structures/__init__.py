"""What a sample holds: annotations and predictions, with what is known about them."""

from __future__ import annotations
