"""What `half_cheetah_mass` and `half_cheetah_body` change of the cheetah: mass, damping, length. All are ratios."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.randomisation import SimFields

POSITIVE = (1e-3, np.inf)


@dataclass(frozen=True)
class _Ratio:
    """A factor on what the model has."""

    @property
    def valid(self) -> tuple[float, float]:
        return POSITIVE

    def default(self, model: mujoco.MjModel) -> float:
        return 1.0


@dataclass(frozen=True)
class Mass(_Ratio):
    """All bodies' masses, and their inertia with them; or, as RoML's code does it, the limbs' thickness instead."""

    as_published: bool = False

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field("body_mass")[ids] *= values[:, None]
        if not self.as_published:
            sim.field("body_inertia")[ids] *= values[:, None, None]
            return
        limbs = slice(sim.model.geom("torso").id, sim.model.ngeom)
        sim.field("geom_size")[ids, limbs, 0] *= values[:, None]


@dataclass(frozen=True)
class Damping(_Ratio):
    """All joints' damping."""

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field("dof_damping")[ids] *= values[:, None]


@dataclass(frozen=True)
class HeadLength(_Ratio):
    """The head's capsule, for collisions alone: as RoML's code does it, under the name of torso length."""

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field("geom_size")[ids, sim.model.geom("head").id, 1] *= values


@dataclass(frozen=True)
class TorsoLength(_Ratio):
    """The torso's capsule, with thighs and head staying at its ends.

    The body's mass remains what it is, and is spread evenly over torso and head: its centre and inertia follow.
    """

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        model = sim.model
        torso, head, body = model.geom("torso").id, model.geom("head").id, model.body("torso").id
        half = values * model.geom_size[torso, 1]
        shift = half - model.geom_size[torso, 1]
        sim.field("geom_size")[ids, torso, 1] = half
        sim.field("geom_pos")[ids, head, 0] = model.geom_pos[head, 0] + shift
        for thigh in ("bthigh", "fthigh"):
            place = model.body(thigh).pos[0]
            sim.field("body_pos")[ids, model.body(thigh).id, 0] = place + np.sign(place) * shift
        centre, quaternion, inertia = _spread(
            _Capsule.of(model, torso, half, 0.0), _Capsule.of(model, head, model.geom_size[head, 1], shift)
        )
        sim.field("body_ipos")[ids, body] = centre
        sim.field("body_iquat")[ids, body] = quaternion
        sim.field("body_inertia")[ids, body] = sim.field("body_mass")[ids, body, None] * inertia


@dataclass(frozen=True)
class _Capsule:
    """A capsule in the plane y = 0 of its body's frame; lengths in [m], numbers or shape (n,)."""

    radius: float
    half: np.ndarray
    """Half the length of its cylinder."""
    centre: tuple[np.ndarray, float]
    """x and z."""
    axis: tuple[float, float]
    """x and z of its direction, a unit vector."""

    @classmethod
    def of(cls, model: mujoco.MjModel, geom: int, half: np.ndarray, shift: np.ndarray | float) -> _Capsule:
        """A geom of the model with another half length, moved along x."""
        x, _, z = model.geom_pos[geom]
        w, _, y, _ = model.geom_quat[geom]
        return cls(model.geom_size[geom, 0], half, (x + shift, z), (2 * w * y, w * w - y * y))

    @property
    def volume(self) -> np.ndarray:
        """In [m^3]."""
        return np.pi * self.radius**2 * (2 * self.half + 4 / 3 * self.radius)

    def inertia(self) -> tuple[np.ndarray, np.ndarray]:
        """About its own axis and across it, through its centre, per mass, in [m^2]."""
        r, h = self.radius, self.half
        cylinder = 2 * h / (2 * h + 4 / 3 * r)
        ball = 1 - cylinder
        along = cylinder * r**2 / 2 + ball * 2 / 5 * r**2
        across = cylinder * (3 * r**2 + 4 * h**2) / 12 + ball * (2 / 5 * r**2 + h**2 + 3 / 4 * h * r)
        return along, across


def _spread(*parts: _Capsule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit mass spread evenly over capsules: centre (n, 3), principal frame (n, 4), inertia there (n, 3)."""
    total = sum(part.volume for part in parts)
    shares = [part.volume / total for part in parts]
    x, z = (sum(s * p.centre[i] for s, p in zip(shares, parts, strict=True)) for i in (0, 1))
    xx = yy = zz = xz = 0.0
    for share, part in zip(shares, parts, strict=True):
        along, across = part.inertia()
        dx, dz = part.centre[0] - x, part.centre[1] - z
        ax, az = part.axis
        xx = xx + share * (across + (along - across) * ax * ax + dz * dz)
        zz = zz + share * (across + (along - across) * az * az + dx * dx)
        xz = xz + share * ((along - across) * ax * az - dx * dz)
        yy = yy + share * (across + dx * dx + dz * dz)
    # Turning the frame by `angle` about y makes the products of inertia vanish.
    angle = np.arctan2(2 * xz, zz - xx) / 2
    mean, reach = (xx + zz) / 2, np.hypot((zz - xx) / 2, xz)
    zero = np.zeros_like(angle)
    quaternion = np.stack([np.cos(angle / 2), zero, np.sin(angle / 2), zero], axis=1)
    return np.stack([x, zero, z], axis=1), quaternion, np.stack([mean - reach, yy, mean + reach], axis=1)
