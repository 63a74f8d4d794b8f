"""`Payload`: a point mass carried by a body."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.randomisation.inertia import movable_com
from sim_tasks.randomisation.parameter import SimFields


@dataclass(frozen=True)
class Payload:
    """A point mass in [kg] at a point of a body; mass, centre of mass and inertia become those of both together.

    It adds to what terms before it have made of the body.
    """

    body: str
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where it sits, in the body's frame, in [m]."""
    valid = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        movable_com(model, self.body)
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        place = (ids, movable_com(sim.model, self.body))
        mass, com = sim.field("body_mass"), sim.field("body_ipos")
        moments, frame = sim.field("body_inertia"), sim.field("body_iquat")
        mass[place], com[place], moments[place], frame[place] = with_point_mass(
            mass[place], com[place], moments[place], frame[place], values, np.array(self.at)
        )


def with_point_mass(
    mass: np.ndarray,
    com: np.ndarray,
    moments: np.ndarray,
    frame: np.ndarray,
    added: np.ndarray,
    at: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bodies and point masses as one, by the parallel-axis theorem.

    Args:
        mass: of the bodies in [kg]. Shape (n,).
        com: their centres of mass in [m]. Shape (n, 3).
        moments: their principal moments of inertia in [kg m^2]. Shape (n, 3).
        frame: quaternions w x y z of their principal axes. Shape (n, 4).
        added: point masses in [kg]. Shape (n,).
        at: where they are in [m]. Shape (3,).

    Returns:
        Mass, centre of mass, principal moments and quaternion. Shapes as given.
    """
    total = mass + added
    share = np.divide(added, total, out=np.zeros_like(total), where=total > 0)
    arm = at - com
    # Both about their common centre: M m / (M + m) is the mass that turns at the distance between them.
    reduced = (mass * share)[:, None, None]
    square = (arm * arm).sum(axis=1)[:, None, None] * np.eye(3)
    tensor = _tensor(moments, frame) + reduced * (square - arm[:, :, None] * arm[:, None, :])
    moments, axes = np.linalg.eigh(tensor)
    axes[:, :, 2] *= np.sign(np.linalg.det(axes))[:, None]  # right-handed
    return total, com + share[:, None] * arm, np.maximum(moments, 0.0), quaternion(axes)


def _tensor(moments: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Inertia about the centre of mass in the body's axes. Shape (n, 3, 3)."""
    w, x, y, z = frame.T
    columns = (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )
    tensor = np.zeros((len(frame), 3, 3))
    for moment, column in zip(moments.T, columns, strict=True):
        axis = np.stack(column, axis=1)
        tensor += moment[:, None, None] * axis[:, :, None] * axis[:, None, :]
    return tensor


def quaternion(matrix: np.ndarray) -> np.ndarray:
    """Quaternions w x y z, shape (n, 4), of rotation matrices, shape (n, 3, 3).

    Of the four ways to solve for one, that with the largest divisor (Shepperd, "Quaternion from rotation matrix",
    J. Guidance and Control 1978).
    """
    m = matrix.transpose(1, 2, 0)
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    a, b, c = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    d, e, f = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    squares = np.stack([trace, *(2 * m[i, i] - trace for i in range(3))]) + 1  # 4 w^2, 4 x^2, 4 y^2, 4 z^2
    candidates = np.array(
        [[squares[0], a, b, c], [a, squares[1], d, e], [b, d, squares[2], f], [c, e, f, squares[3]]]
    )
    chosen = candidates[squares.argmax(axis=0), :, np.arange(len(matrix))]
    return chosen / np.sqrt((chosen * chosen).sum(axis=1, keepdims=True))
