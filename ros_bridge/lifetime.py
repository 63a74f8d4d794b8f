"""How a process of this package lives: its own signal handling, one executor, and an orderly end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.signals import SignalHandlerOptions

from ros_bridge.errors import BridgeError

POLL = 0.1
"""Longest wait in [s]: Python sees a signal only between two waits of the middleware."""


class StopFlag:
    """Raised by SIGINT and SIGTERM while the context is open."""

    def __init__(self) -> None:
        self.raised = False

    def __enter__(self) -> StopFlag:
        self._before = {number: signal.signal(number, self._raise) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.raised = True


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def split_ros_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """A command line before `--ros-args`, and from there on."""
    where = arguments.index("--ros-args") if "--ros-args" in arguments else len(arguments)
    return arguments[:where], arguments[where:]


@contextmanager
def ros() -> Iterator[StopFlag]:
    """ROS, with the command line's `--ros-args`, and with signals that end the process in an orderly way: rclpy's
    own handlers would end the context first, and with it the last command.

    Raises:
        BridgeError: a namespace or a topic has a name that ROS does not allow.
    """
    with StopFlag() as stop:
        arguments = split_ros_arguments(sys.argv)[1]
        rclpy.init(args=["", *arguments], signal_handler_options=SignalHandlerOptions.NO)
        try:
            yield stop
        except NameValidationException as error:
            raise BridgeError(" ".join(str(error).split()).rstrip(" ^")) from error
        finally:
            rclpy.try_shutdown()
