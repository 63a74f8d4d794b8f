"""`Graph`: one of a bundle's ONNX graphs, that takes and gives exactly what the bundle's manifest says."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnxruntime

from adapt.bundle import PolicyBundle
from adapt.errors import BundleError

Sizes = Mapping[str, int | None]
"""How many numbers per robot each input or output has, by name; None: as many as the graph says."""

_Port = tuple[str, Sequence[int | str | None]]
"""Type and shape of an input or output; axes that are free have a name or none."""


class Graph:
    """A graph of N robots: tensors of float32, shape (N, size), in and out.

    It is run once, on zeros, as it is made: what fails does so before a robot moves.

    Raises:
        BundleError: the graph is no graph, or has other inputs, outputs or shapes; names it and what was expected.
    """

    def __init__(
        self, bundle: PolicyBundle, file: str, inputs: Sizes, outputs: Sizes, needed: Collection[str]
    ):
        """`needed`: those of the inputs that the graph must have; it may do without the others."""
        self._where = f"{bundle.path}: {file}"
        content = bundle.graph(file)
        try:
            self._session = open_session(content)
            given, gives = _ports(self._session.get_inputs()), _ports(self._session.get_outputs())
        except Exception as error:  # those of onnxruntime have no base of their own
            raise BundleError(f"{self._where}: no graph that can be run: {_line(error)}") from error
        self._inputs = self._sizes("input", given, inputs, needed)
        self._outputs = self._sizes("output", gives, outputs, outputs)
        self(**{name: np.zeros((1, size), np.float32) for name, size in self._inputs.items()})

    def __call__(self, **given: np.ndarray) -> list[np.ndarray]:
        """All outputs, in the order in which they were named; inputs that the graph does not have are left out.

        Raises:
            BundleError: the graph cannot be run, or gives other shapes than it says.
        """
        feed = {name: given[name] for name in self._inputs}
        try:
            found = self._session.run(list(self._outputs), feed)
        except Exception as error:
            raise BundleError(f"{self._where}: cannot be run: {_line(error)}") from error
        rows = len(next(iter(feed.values())))
        for (name, size), array in zip(self._outputs.items(), found, strict=True):
            if not isinstance(array, np.ndarray) or array.shape != (rows, size):
                raise BundleError(
                    f"{self._where}: output {name!r}: shape {np.shape(array)}; expected {(rows, size)}"  # type: ignore[arg-type]
                )
        return found  # type: ignore[return-value]

    def _sizes(
        self, what: str, found: Mapping[str, _Port], expected: Sizes, needed: Collection[str]
    ) -> dict[str, int]:
        """Sizes of the graph's inputs or outputs, in the order of `expected`."""
        for name in found:
            if name not in expected:
                raise BundleError(f"{self._where}: unknown {what} {name!r:.80}; valid: {', '.join(expected)}")
        for name in needed:
            if name not in found:
                raise BundleError(f"{self._where}: {what} {name!r} is missing")
        return {
            name: self._size(what, name, *found[name], size)
            for name, size in expected.items()
            if name in found
        }

    def _size(
        self, what: str, name: str, kind: str, shape: Sequence[int | str | None], size: int | None
    ) -> int:
        """How many numbers per robot an input or output has."""
        if kind == "tensor(float)" and len(shape) == 2 and not isinstance(shape[0], int):
            found = shape[1]
            if isinstance(found, int) and size in (None, found):
                return found
        wanted = f"tensor(float) of shape ['robots', {'any size' if size is None else size}]"
        raise BundleError(
            f"{self._where}: {what} {name!r} is {kind} of shape {list(shape)!r:.80}; expected {wanted}"
        )


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """A single-threaded session: a step is microseconds of work, and a robot's other cores are not ours."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised
    # A graph may say that its weights are in other files, which are then read from the working directory, unless
    # another one is named. In this one there can be none.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.path.join(os.devnull, "none")
    )
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _ports(found: Sequence[onnxruntime.NodeArg]) -> dict[str, _Port]:
    return {each.name: (each.type, each.shape) for each in found}


def _line(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split())[:300]
