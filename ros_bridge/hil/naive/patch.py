"""`Patch`: an attribute that has another value for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Patch:
    """What takes the place of an attribute of a class or a module."""

    owner: Any
    name: str
    value: Any

    @contextmanager
    def applied(self) -> Iterator[None]:
        """During this, the attribute is the patch's."""
        before = vars(self.owner)[self.name]  # as it stands there: a property stays one
        setattr(self.owner, self.name, self.value)
        try:
            yield
        finally:
            setattr(self.owner, self.name, before)


def afterwards(owner: type, name: str, then: Any) -> Patch:
    """A method after which `then(self)` is done, such as `__init__`."""
    original = getattr(owner, name)

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        result = original(self, *arguments, **named)
        then(self)
        return result

    return Patch(owner, name, method)
