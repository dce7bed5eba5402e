"""What a sample holds: annotations and predictions, with what is known about them."""

from __future__ import annotations

from runner.structures.base_data_element import BaseDataElement
from runner.structures.instance_data import InstanceData
from runner.structures.label_data import LabelData
from runner.structures.pixel_data import PixelData

__all__ = ["BaseDataElement", "InstanceData", "LabelData", "PixelData"]
