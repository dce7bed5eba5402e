"""`BaseDataElement`: data of a sample, and what is known about it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from runner.structures.fields import FieldNames

__all__ = ["BaseDataElement"]

_OWN: Final = ("_metainfo_fields", "_data_fields")


class BaseDataElement:
    """Data fields (annotations, predictions) and metainfo fields (what is known about the sample), as attributes.

    `element.bboxes = tensor` sets a data field. Metainfo is given to the constructor or to `set_metainfo`. A name is
    one or the other. A subclass makes a field of a fixed type with a property whose setter calls `set_field`. Fields
    are listed in the order in which they were set.

    Args:
        metainfo: Metainfo by name; it is copied.
        **kwargs: Data fields by name.
    """

    def __init__(self, *, metainfo: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        self._metainfo_fields = FieldNames()
        self._data_fields = FieldNames()
        if metainfo is not None:
            self.set_metainfo(metainfo)
        self.set_data(kwargs)

    def set_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """Set metainfo fields; the values are copied.

        Raises:
            AttributeError: One of the names is a data field.
        """
        _check_mapping(metainfo, "metainfo")
        for name, value in copy.deepcopy(dict(metainfo)).items():
            self.set_field(value, name, field_type="metainfo")

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Set data fields.

        Raises:
            AttributeError: One of the names is a metainfo field.
        """
        _check_mapping(data, "data")
        for name, value in data.items():
            setattr(self, name, value)

    def update(self, instance: BaseDataElement) -> None:
        """Take over all fields of another element."""
        if not isinstance(instance, BaseDataElement):
            raise TypeError(f"update: a {type(instance).__name__} is given where a BaseDataElement is needed")
        self.set_metainfo(instance.metainfo)
        self.set_data(dict(instance.items()))

    def new(self, *, metainfo: Mapping[str, Any] | None = None, **kwargs: Any) -> Self:
        """Make an element of the same class.

        Args:
            metainfo: Its metainfo, by default this one's.
            **kwargs: Its data fields, by default this one's.
        """
        element = type(self)()
        element.set_metainfo(self.metainfo if metainfo is None else metainfo)
        element.set_data(kwargs or dict(self.items()))
        return element

    def clone(self) -> Self:
        """A copy: the metainfo is copied, the data fields hold the same objects."""
        return self.new()

    def keys(self) -> list[str]:
        """Names of the data fields."""
        hidden = {f"_{name}" for name in self._data_fields if isinstance(getattr(type(self), name, None), property)}
        return [name for name in self._data_fields if name not in hidden]

    def metainfo_keys(self) -> list[str]:
        """Names of the metainfo fields."""
        return list(self._metainfo_fields)

    def values(self) -> list[Any]:
        """The data fields' values."""
        return [value for _, value in self.items()]

    def metainfo_values(self) -> list[Any]:
        """The metainfo fields' values."""
        return [value for _, value in self.metainfo_items()]

    def all_keys(self) -> list[str]:
        """Names of all fields, metainfo first."""
        return self.metainfo_keys() + self.keys()

    def all_values(self) -> list[Any]:
        """All fields' values, metainfo first."""
        return self.metainfo_values() + self.values()

    def all_items(self) -> Iterator[tuple[str, Any]]:
        """All fields, metainfo first."""
        yield from self.metainfo_items()
        yield from self.items()

    def items(self) -> Iterator[tuple[str, Any]]:
        """The data fields."""
        for name in self.keys():
            yield name, getattr(self, name)

    def metainfo_items(self) -> Iterator[tuple[str, Any]]:
        """The metainfo fields."""
        for name in self.metainfo_keys():
            yield name, getattr(self, name)

    @property
    def metainfo(self) -> dict[str, Any]:
        """The metainfo fields as a mapping."""
        return dict(self.metainfo_items())

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            if name in self.__dict__:
                raise AttributeError(f"'{name}' is the element's own and can't be set")
            super().__setattr__(name, value)
        else:
            self.set_field(value, name)

    def __delattr__(self, name: str) -> None:
        if name in _OWN:
            raise AttributeError(f"'{name}' is the element's own and can't be deleted")
        super().__delattr__(name)
        self._metainfo_fields.discard(name)
        self._data_fields.discard(name)

    __delitem__ = __delattr__

    def get(self, key: str, default: Any = None) -> Any:
        """A field's value, or the default."""
        return getattr(self, key, default)

    def pop(self, *args: Any) -> Any:
        """Delete a field and return its value: `pop(name)`, or `pop(name, default)` where it may not be there.

        Raises:
            KeyError: There is no such field, and no default.
        """
        if not 1 <= len(args) <= 2:
            raise TypeError(f"pop takes a name and a default; {len(args)} arguments are given")
        name = args[0]
        if name in self:
            value = getattr(self, name)
            delattr(self, name)
            return value
        if len(args) == 2:
            return args[1]
        raise KeyError(f"{name} is neither a metainfo nor a data field")

    def __contains__(self, item: object) -> bool:
        return item in self._data_fields or item in self._metainfo_fields

    def set_field(
        self,
        value: Any,
        name: str,
        dtype: type | tuple[type, ...] | None = None,
        field_type: str = "data",
    ) -> None:
        """Set a field; the way for setters of properties.

        Args:
            value: Its value.
            name: Its name.
            dtype: What the value has to be.
            field_type: `data` or `metainfo`.

        Raises:
            AttributeError: The name is a field of the other type.
            TypeError: The value is of another type.
        """
        if field_type not in {"data", "metainfo"}:
            raise ValueError(f"set_field: field_type is {field_type!r}; it must be 'data' or 'metainfo'")
        if dtype is not None and not isinstance(value, dtype):
            raise TypeError(f"{name} is a {type(value).__name__}; it must be {_names(dtype)}")
        own, other = self._data_fields, self._metainfo_fields
        if field_type == "metainfo":
            own, other = other, own
        if name in other:
            raise AttributeError(
                f"'{name}' can't be a {field_type} field, as it is a {'data' if own is not self._data_fields else 'metainfo'}"
                " field already; delete that first"
            )
        super().__setattr__(name, value)
        own.add(name)

    def _mapped(self, change: Callable[[Any], Any], *types: type) -> Self:
        """An element whose data fields of these types are changed; the others are the same."""
        element = self.new()
        element.set_data({name: change(value) for name, value in self.items() if isinstance(value, types)})
        return element

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """An element with every data field that has a `to` moved or cast, as `Tensor.to` does."""
        element = self.new()
        element.set_data({name: value.to(*args, **kwargs) for name, value in self.items() if hasattr(value, "to")})
        return element

    def cpu(self) -> Self:
        """An element with its tensors on the CPU."""
        return self._mapped(lambda value: value.cpu(), Tensor, BaseDataElement)

    def cuda(self) -> Self:
        """An element with its tensors on the current CUDA device."""
        return self._mapped(lambda value: value.cuda(), Tensor, BaseDataElement)

    def musa(self) -> Self:
        """An element with its tensors on the current MUSA device."""
        return self._mapped(lambda value: value.to("musa"), Tensor, BaseDataElement)

    def npu(self) -> Self:
        """An element with its tensors on the current NPU."""
        return self._mapped(lambda value: value.to("npu"), Tensor, BaseDataElement)

    def mlu(self) -> Self:
        """An element with its tensors on the current MLU."""
        return self._mapped(lambda value: value.to("mlu"), Tensor, BaseDataElement)

    def detach(self) -> Self:
        """An element whose tensors are cut off from their history."""
        return self._mapped(lambda value: value.detach(), Tensor, BaseDataElement)

    def numpy(self) -> Self:
        """An element with arrays in place of tensors."""
        return self._mapped(lambda value: value.detach().cpu().numpy(), Tensor, BaseDataElement)

    def to_tensor(self) -> Self:
        """An element with tensors in place of arrays, which share their memory."""
        return self._mapped(
            lambda value: torch.from_numpy(value) if isinstance(value, np.ndarray) else value.to_tensor(),
            np.ndarray,
            BaseDataElement,
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields as a mapping, with the elements among them as mappings too."""
        return {
            name: value.to_dict() if isinstance(value, BaseDataElement) else value for name, value in self.all_items()
        }

    def __repr__(self) -> str:
        return _shown(self)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"\n{name}: {_indented(_shown(each))}" for name, each in value.items())
    if isinstance(value, BaseDataElement):
        meta = _indented(_shown(value.metainfo))
        data = _indented(_shown(dict(value.items())))
        inner = f"\n\n    META INFORMATION{meta}\n\n    DATA FIELDS{data}"
        return f"<{type(value).__name__}({inner}\n) at {hex(id(value))}>"
    return repr(value)


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _names(dtype: type | tuple[type, ...]) -> str:
    return " or ".join(each.__name__ for each in (dtype if isinstance(dtype, tuple) else (dtype,)))


def _check_mapping(value: object, name: str) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a {type(value).__name__}; it must be a mapping")
