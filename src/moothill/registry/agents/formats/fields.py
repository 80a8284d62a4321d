"""Reading a stranger's JSON object field by field, each under any of its known names, with its path.

An absent field, `null` and, for texts, "" all mean "not given"; a field of another type is refused.
"""

from dataclasses import dataclass
from typing import Any

from .entry import is_line, is_prose
from .refusal import RecordRefused

__all__ = ["Fields"]


@dataclass(frozen=True, slots=True)
class Fields:
    """An object and where it stands in its record."""

    data: dict[str, Any]
    path: str = ""

    def at(self, name: str) -> str:
        """The path of a field of this object."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, *names: str) -> bool:
        """Whether the field is given under any of the names, whatever its type."""
        return any(self.data.get(name) is not None for name in names)

    def text(self, *names: str, required: bool = False) -> str:
        """A text, trimmed; "" when it is not given.

        Raises:
            RecordRefused: it is not a text, or is required and not given.
        """
        name, value = self._value(names)
        if value is not None and not isinstance(value, str):
            raise RecordRefused(self.at(name), "is not a text")
        trimmed = (value or "").strip()
        if required and not trimmed:
            raise RecordRefused(self.at(name), "is missing" if value is None else "is empty")
        return trimmed

    def line(self, *names: str, most: int, required: bool = False) -> str:
        """A text of one line and at most `most` characters.

        Raises:
            RecordRefused: it is not one, is too long, or is required and not given.
        """
        value = self.text(*names, required=required)
        if len(value) > most:
            raise RecordRefused(self.at(self._value(names)[0]), f"has more than {most} characters")
        if not is_line(value):
            raise RecordRefused(self.at(self._value(names)[0]), "holds a control character or a line break")
        return value

    def prose(self, *names: str, most: int) -> str:
        """A text that may have line breaks and tabs, of at most `most` characters.

        Raises:
            RecordRefused: it is not one, or is too long.
        """
        value = self.text(*names)
        if len(value) > most:
            raise RecordRefused(self.at(self._value(names)[0]), f"has more than {most} characters")
        if not is_prose(value):
            raise RecordRefused(self.at(self._value(names)[0]), "holds a control character")
        return value

    def texts(self, *names: str) -> list[str]:
        """A list of texts, trimmed, without empty ones; [] when it is not given."""
        name, value = self._list(names)
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise RecordRefused(f"{self.at(name)}[{index}]", "is not a text")
        return [item.strip() for item in value if item.strip()]

    def flag(self, *names: str) -> bool | None:
        """True, False, or None when it is not given."""
        name, value = self._value(names)
        if value is not None and not isinstance(value, bool):
            raise RecordRefused(self.at(name), "is not true or false")
        return value

    def object(self, *names: str) -> "Fields":
        """An object; an empty one when it is not given."""
        name, value = self._value(names)
        if value is not None and not isinstance(value, dict):
            raise RecordRefused(self.at(name), "is not an object")
        return Fields(value or {}, self.at(name))

    def objects(self, *names: str) -> list["Fields"]:
        """A list of objects; [] when it is not given."""
        name, value = self._list(names)
        found = []
        for index, item in enumerate(value):
            path = f"{self.at(name)}[{index}]"
            if not isinstance(item, dict):
                raise RecordRefused(path, "is not an object")
            found.append(Fields(item, path))
        return found

    def _list(self, names: tuple[str, ...]) -> tuple[str, list[Any]]:
        name, value = self._value(names)
        if value is not None and not isinstance(value, list):
            raise RecordRefused(self.at(name), "is not a list")
        return name, value or []

    def _value(self, names: tuple[str, ...]) -> tuple[str, Any]:
        for name in names:
            if self.data.get(name) is not None:
                return name, self.data[name]
        return names[0], None
