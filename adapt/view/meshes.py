"""Triangle meshes small enough for a page."""

from __future__ import annotations

import numpy as np

MAX_FACES = 3000
"""Larger meshes are simplified to about this."""
_CELLS = (96, 64, 48, 32, 24, 16, 12, 8)
"""Cells along the longest side, finest first."""


def simplified(
    vertices: np.ndarray, faces: np.ndarray, most: int = MAX_FACES
) -> tuple[np.ndarray, np.ndarray]:
    """The mesh itself where it is small, or with vertices that share a cell of a grid merged into their mean.

    Vertex clustering after Rossignac and Borrel, "Multi-resolution 3D approximations for rendering complex
    scenes" (1993): keeps the outline, closes no holes and needs no connectivity.

    Args:
        vertices: Shape (V, 3).
        faces: indices of vertices. Shape (F, 3).
        most: how many faces may stay, except that the coarsest grid is taken as it is.
    """
    if len(faces) <= most:
        return vertices, faces
    clustered = vertices, faces
    for cells in _CELLS:
        clustered = _cluster(vertices, faces, cells)
        if len(clustered[1]) <= most:
            break
    return clustered


def _cluster(vertices: np.ndarray, faces: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    low = vertices.min(axis=0)
    size = float((vertices.max(axis=0) - low).max()) / cells or 1.0
    _, member, count = np.unique(
        np.floor((vertices - low) / size).astype(np.int64), axis=0, return_inverse=True, return_counts=True
    )
    member = member.ravel()
    means = np.zeros((len(count), 3))
    np.add.at(means, member, vertices)
    merged = member[faces]
    a, b, c = merged.T
    merged = merged[(a != b) & (b != c) & (c != a)]
    return means / count[:, None], _distinct(merged)


def _distinct(faces: np.ndarray) -> np.ndarray:
    """Faces without repetitions; two with the same corners in another sense of turning stay two."""
    start = np.argmin(faces, axis=1)
    turned = np.take_along_axis(faces, (start[:, None] + np.arange(3)) % 3, axis=1)
    return np.unique(turned, axis=0)
