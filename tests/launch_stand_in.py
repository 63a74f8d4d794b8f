"""A stand-in for ROS's `launch` and `launch_ros`, of which no wheels exist: what the launch files may use of them.

Arguments are those that the real classes have in all distributions from Humble to Rolling, and no others, so that a
wrong one fails here too. `Launch` does with launch files what `ros2 launch` does, but starts nothing.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any


@dataclass(eq=False)
class Action:
    _: KW_ONLY
    condition: Any = None


@dataclass
class LaunchDescription:
    initial_entities: list[Any]


@dataclass(eq=False)
class DeclareLaunchArgument(Action):
    name: str
    _: KW_ONLY
    default_value: str | None = None
    description: str | None = None
    choices: list[str] | None = None


@dataclass
class LaunchConfiguration:
    variable_name: str
    _: KW_ONLY
    default: str | None = None

    def perform(self, context: Launch) -> str:
        return context.launch_configurations[self.variable_name]


@dataclass(eq=False, kw_only=True)
class Node(Action):
    executable: str
    package: str | None = None
    name: str | None = None
    namespace: str | None = None
    exec_name: str | None = None
    parameters: list[Any] | None = None
    remappings: list[tuple[str, str]] | None = None
    ros_arguments: list[str] | None = None
    arguments: list[str] | None = None
    prefix: Any = None
    cwd: Any = None
    env: Any = None
    additional_env: Any = None
    shell: bool = False
    sigterm_timeout: Any = None
    sigkill_timeout: Any = None
    emulate_tty: bool = False
    output: str = "log"
    output_format: str = ""
    cached_output: bool = False
    log_cmd: bool = False
    on_exit: Any = None
    respawn: bool = False
    respawn_delay: float | None = None

    @property
    def line(self) -> list[str]:
        """The command line, put together as launch_ros does."""
        assert self.package is None
        line = [self.executable, *(self.arguments or [])]
        line += ["--ros-args", *self.ros_arguments] if self.ros_arguments is not None else []
        line += ["--ros-args"]
        line += ["-r", f"__node:={self.name}"] if self.name is not None else []
        if self.namespace is not None:
            line += ["-r", f"__ns:=/{self.namespace.lstrip('/')}"]
        for file in self.parameters or []:
            line += ["--params-file", file]
        for source, target in self.remappings or []:
            line += ["-r", f"{source}:={target}"]
        return line


@dataclass(eq=False, kw_only=True)
class LifecycleNode(Node):
    def __post_init__(self) -> None:
        assert self.name is not None  # arguments that it cannot do without
        assert self.namespace is not None


@dataclass(eq=False)
class OpaqueFunction(Action):
    _: KW_ONLY
    function: Callable[..., Any]
    args: Iterable[Any] | None = None
    kwargs: dict[str, Any] | None = None


@dataclass(eq=False, kw_only=True)
class Shutdown(Action):
    reason: str = "reason not given"


@dataclass(eq=False, kw_only=True)
class EmitEvent(Action):
    event: ChangeState


@dataclass(eq=False, kw_only=True)
class TimerAction(Action):
    period: float
    actions: list[Any]
    cancel_on_shutdown: bool = True


@dataclass(eq=False)
class RegisterEventHandler(Action):
    event_handler: Any


@dataclass(eq=False)
class UnregisterEventHandler(Action):
    event_handler: Any


@dataclass(eq=False)
class GroupAction(Action):
    actions: list[Any]
    _: KW_ONLY
    scoped: bool = True
    forwarding: bool = True
    launch_configurations: dict[str, str] | None = None


@dataclass
class PythonLaunchDescriptionSource:
    launch_file_path: str


@dataclass(eq=False)
class IncludeLaunchDescription(Action):
    launch_description_source: PythonLaunchDescriptionSource
    _: KW_ONLY
    launch_arguments: Iterable[tuple[str, str]] | None = None


@dataclass(frozen=True)
class ProcessStarted:
    action: Any


@dataclass(frozen=True)
class StateTransition:
    action: Any
    start_state: str
    goal_state: str


@dataclass(eq=False, kw_only=True)
class OnProcessStart:
    target_action: Any = None
    on_start: Any
    handle_once: bool = False

    @property
    def entities(self) -> Any:
        return self.on_start

    def matches(self, event: Any) -> bool:
        return isinstance(event, ProcessStarted) and self.target_action in (None, event.action)


@dataclass(eq=False, kw_only=True)
class OnStateTransition:
    entities: Any
    target_lifecycle_node: LifecycleNode | None = None
    transition: str | None = None
    start_state: str | None = None
    goal_state: str | None = None
    matcher: None = None
    handle_once: bool = False

    def matches(self, event: Any) -> bool:
        return (
            isinstance(event, StateTransition)
            and self.transition is None
            and self.target_lifecycle_node in (None, event.action)
            and self.start_state in (None, event.start_state)
            and self.goal_state in (None, event.goal_state)
        )


@dataclass(frozen=True, kw_only=True)
class ChangeState:
    lifecycle_node_matcher: Callable[[Any], bool]
    transition_id: int


def matches_action(target_action: Any) -> Callable[[Any], bool]:
    return lambda action: action is target_action


MODULES: dict[str, tuple[Any, ...]] = {
    "launch": (LaunchDescription,),
    "launch.actions": (
        DeclareLaunchArgument,
        EmitEvent,
        GroupAction,
        IncludeLaunchDescription,
        OpaqueFunction,
        RegisterEventHandler,
        Shutdown,
        TimerAction,
        UnregisterEventHandler,
    ),
    "launch.event_handlers": (OnProcessStart,),
    "launch.events": (matches_action,),
    "launch.launch_description_sources": (PythonLaunchDescriptionSource,),
    "launch.substitutions": (LaunchConfiguration,),
    "launch_ros": (),
    "launch_ros.actions": (LifecycleNode, Node),
    "launch_ros.event_handlers": (OnStateTransition,),
    "launch_ros.events": (),
    "launch_ros.events.lifecycle": (ChangeState,),
}
"""Where each of them is imported from."""


@dataclass
class Launch:
    """Launch files that are being followed."""

    launch_configurations: dict[str, str]
    is_shutdown: bool = False
    declared: list[DeclareLaunchArgument] = field(default_factory=list)
    nodes: list[Any] = field(default_factory=list)
    asked: list[tuple[Any, int]] = field(default_factory=list)
    """Nodes, and the transitions that they were asked for."""
    timers: list[TimerAction] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Why all was ended."""
    handlers: list[Any] = field(default_factory=list)

    def file(self, path: str | Path) -> None:
        self.visit(runpy.run_path(str(path))["generate_launch_description"]().initial_entities)

    def visit(self, entities: Any) -> None:
        for entity in entities if isinstance(entities, list) else [entities]:
            _VISITS[type(entity)](self, entity)

    def emit(self, event: ProcessStarted | StateTransition) -> None:
        for handler in tuple(self.handlers):
            if handler.matches(event):
                if handler.handle_once:
                    self.handlers.remove(handler)
                self.visit(handler.entities)

    def transition(self, node: Any, start: str, goal: str) -> None:
        self.emit(StateTransition(node, start, goal))

    def wait(self) -> None:
        """Until the timers that are running have ended."""
        timers, self.timers = self.timers, []
        for timer in timers:
            self.visit(timer.actions)

    def exit(self, node: Any) -> None:
        """A process ends."""
        if node.on_exit is not None:
            self.visit(node.on_exit(SimpleNamespace(action=node), self))

    def _declare(self, argument: DeclareLaunchArgument) -> None:
        self.declared.append(argument)
        assert argument.default_value is not None
        value = self.launch_configurations.setdefault(argument.name, argument.default_value)
        if argument.choices is not None and value not in argument.choices:
            raise RuntimeError(f"{argument.name}: {value!r} is not one of {argument.choices}")

    def _include(self, included: IncludeLaunchDescription) -> None:
        for name, value in included.launch_arguments or ():
            assert isinstance(value, str)
            self.launch_configurations[name] = value
        self.file(included.launch_description_source.launch_file_path)

    def _group(self, group: GroupAction) -> None:
        before = dict(self.launch_configurations)
        self.visit(group.actions)
        self.launch_configurations = before

    def _emit(self, action: EmitEvent) -> None:
        matched = [node for node in self.nodes if action.event.lifecycle_node_matcher(node)]
        self.asked += [(node, action.event.transition_id) for node in matched]

    def _end(self, action: Shutdown) -> None:
        assert not self.is_shutdown, "launch_ros fails on a second shutdown"
        self.is_shutdown = True
        self.ended.append(action.reason)


_VISITS: dict[type, Callable[[Launch, Any], None]] = {
    DeclareLaunchArgument: Launch._declare,
    OpaqueFunction: lambda launch, action: launch.visit(action.function(launch)),
    IncludeLaunchDescription: Launch._include,
    GroupAction: Launch._group,
    RegisterEventHandler: lambda launch, action: launch.handlers.append(action.event_handler),
    UnregisterEventHandler: lambda launch, action: launch.handlers.remove(action.event_handler),
    EmitEvent: Launch._emit,
    TimerAction: lambda launch, action: launch.timers.append(action),
    Shutdown: Launch._end,
    Node: lambda launch, node: launch.nodes.append(node),
    LifecycleNode: lambda launch, node: launch.nodes.append(node),
}
