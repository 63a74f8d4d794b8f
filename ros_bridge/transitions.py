"""A lifecycle manager may ask for what cannot be, such as to activate an active node."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode


def refuse_impossible(node: LifecycleNode) -> None:
    """Answers such a request with "no": in rclpy of Humble to Jazzy it is an error that ends whoever spins the node."""
    service: Any = node._service_change_state
    change = service.callback

    def answer(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        try:
            return change(request, response)
        except rclpy_implementation.RCLError as error:
            node.get_logger().error(f"transition {request.transition.id}: {error}")
            response.success = False
            return response

    service.callback = answer
