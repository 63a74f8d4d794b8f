"""`Understood`: what an adapter has understood, read before a run and written after it, where a file is named."""

from __future__ import annotations

from pathlib import Path

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.saved_state import restore_state, save_state
from adapt.types import HasState


class Understood:
    """Of one adapter. A file that cannot be used never keeps a robot from running: the problem is said in words."""

    def __init__(self, file: str, adapter: HasState, bundle: PolicyBundle):
        """`file`: empty for none."""
        self._file = Path(file) if file else None
        self._adapter, self._bundle = adapter, bundle

    def restore(self) -> str | None:
        """Gives the adapter what is in the file, if there is one yet; what is wrong with it, or None."""
        if self._file is None or not self._file.exists():
            return None
        try:
            restore_state(self._file, self._adapter, self._bundle)
        except AdaptError as error:
            return str(error)
        return None

    def save(self) -> str | None:
        """Writes the file; what went wrong, or None."""
        if self._file is None:
            return None
        try:
            save_state(self._file, self._adapter, self._bundle)
        except OSError as error:
            return f"{self._file}: {error}"
        return None
