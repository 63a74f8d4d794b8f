"""`SensorsFirst`: spins one node whose subscriptions must be answered soon, in place of an executor."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.subscription import Subscription

OTHERS_AT_LEAST = 0.1
"""How often what no wait set of ours hears of has its turn, such as events and tasks that go on, in [s]."""


class _Apart(CallbackGroup):
    """Of subscriptions that no executor may serve."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class SensorsFirst:
    """Serves a node's subscriptions itself, and leaves all else to an executor, in the same thread.

    rclpy's executors gather all entities and make a wait set for every callback; here it stays as long as the node's
    entities are the same. Of messages that have come by the same moment, those of the subscription that was created
    first are served first. Callbacks of subscriptions are plain functions of the message.
    """

    def __init__(self) -> None:
        self._others = SingleThreadedExecutor()
        self._served = 0.0
        """When the others last had a turn, monotonic, in [s]."""
        self._node: Node | None = None
        self._held = ExitStack()
        self._subscriptions: list[Subscription[Any]] = []
        self._waited_for: list[Any] = []
        """The others that a wait set can hear of: timers, clients and services."""
        self._groups: list[tuple[Subscription[Any], Any]] = []
        """What is not served by the executor, and the groups of their own."""
        self._wait_set: rclpy_implementation.WaitSet | None = None

    def add_node(self, node: Node) -> None:
        """The one node that is served.

        Raises:
            ValueError: there is one already.
        """
        if self._node is not None:
            raise ValueError(f"{node.get_name()}: serves {self._node.get_name()} already, and one node alone")
        self._node = node
        self._others.add_node(node)

    def spin_once(self, timeout_sec: float) -> None:
        """Waits for at most `timeout_sec` [s]; serves a message of each subscription, and one thing else.

        Raises whatever a callback raises.

        Raises:
            ExternalShutdownException: somebody shut ROS down under the node.
        """
        assert self._node is not None
        try:
            self._spin_once(timeout_sec)
        except Exception as error:  # which one depends on what it was doing just then
            if self._node.context.ok():
                raise
            raise ExternalShutdownException from error
        if not self._node.context.ok():
            raise ExternalShutdownException

    def _spin_once(self, timeout_sec: float) -> None:
        assert self._node is not None
        if self._changed(self._node):
            self._prepare(self._node)
        messages, others = self._wait(min(timeout_sec, OTHERS_AT_LEAST))
        if messages:
            self._serve_messages()
        if others or time.monotonic() - self._served >= OTHERS_AT_LEAST:
            self._others.spin_once(timeout_sec=0.0)
            self._served = time.monotonic()

    def shutdown(self) -> None:
        """Lets go of the node; another executor may serve it."""
        self._release()
        self._others.shutdown()

    def _changed(self, node: Node) -> bool:
        """Whether the node has other entities than those that are waited for."""
        return self._subscriptions != list(node.subscriptions) or self._waited_for != _others_of(node)

    def _prepare(self, node: Node) -> None:
        """Makes the wait set for what the node has now; it holds all of it, whoever destroys it meanwhile."""
        self._release()
        self._subscriptions, self._waited_for = list(node.subscriptions), _others_of(node)
        for entity in (*self._subscriptions, *self._waited_for):
            self._held.enter_context(entity.handle)
        for subscription in self._subscriptions:
            self._groups.append((subscription, subscription.callback_group))
            subscription.callback_group = _APART
        assert node.context.handle is not None
        timers, clients, services = (len(list(each)) for each in (node.timers, node.clients, node.services))
        self._wait_set = rclpy_implementation.WaitSet(
            len(self._subscriptions), 0, timers, clients, services, 0, node.context.handle
        )

    def _release(self) -> None:
        for subscription, group in self._groups:
            subscription.callback_group = group
        self._groups, self._subscriptions, self._waited_for = [], [], []
        self._held.close()

    def _wait(self, timeout: float) -> tuple[bool, bool]:
        """Whether there are messages, and whether there is something else, after at most `timeout` [s]."""
        wait_set, node = self._wait_set, self._node
        assert wait_set is not None
        assert node is not None
        wait_set.clear_entities()
        for subscription in self._subscriptions:
            wait_set.add_subscription(subscription.handle)
        for timer in node.timers:
            wait_set.add_timer(timer.handle)
        for client in node.clients:
            wait_set.add_client(client.handle)
        for service in node.services:
            wait_set.add_service(service.handle)
        wait_set.wait(int(1e9 * timeout))
        ready = wait_set.get_ready_entities
        return bool(ready("subscription")), bool(ready("timer") or ready("service") or ready("client"))

    def _serve_messages(self) -> None:
        """One of each subscription, also of those where it came only after the wait was over."""
        assert self._node is not None
        for subscription in self._subscriptions:
            if subscription not in self._node.subscriptions:
                continue  # destroyed by a callback before
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is not None:
                subscription.callback(taken[0])  # pyright: ignore[reportCallIssue]


_APART = _Apart()


def _others_of(node: Node) -> list[Any]:
    entities: Iterable[Any] = (*node.timers, *node.clients, *node.services)
    return list(entities)
