"""What an adapter has understood, or acts by, as one standard message: named arrays of float32, one after the other."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout

from ros_bridge.errors import BridgeError


def state_message(state: Mapping[str, np.ndarray]) -> Float64MultiArray:
    """One dimension for each array, labelled with its name and shape: `hidden 1x128`. Doubles hold floats exactly."""
    dims = [
        MultiArrayDimension(
            label=f"{name} {'x'.join(map(str, each.shape))}", size=each.size, stride=each.size
        )
        for name, each in state.items()
    ]
    flat = np.concatenate([each.ravel() for each in state.values()] or [np.empty(0)])
    return Float64MultiArray(layout=MultiArrayLayout(dim=dims), data=array("d", flat.astype(float).tobytes()))


def read_state(message: Float64MultiArray) -> dict[str, np.ndarray]:
    """Inverse of `state_message`.

    Raises:
        BridgeError: it is none.
    """
    data, state, begin = np.array(message.data), {}, 0
    try:
        for dim in message.layout.dim:
            name, shape = dim.label.rsplit(" ", 1)
            part = data[begin : begin + dim.size]
            state[name] = part.reshape([int(n) for n in shape.split("x")]).astype(np.float32)
            begin += dim.size
    except ValueError as error:
        raise BridgeError(f"no state: {error}") from error
    if begin != len(data):
        raise BridgeError(f"no state: {len(data)} numbers; expected {begin}")
    return state
