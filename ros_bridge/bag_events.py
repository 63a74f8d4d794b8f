"""What a bag says of a control loop: everything that reached it, in order, and what it answered. J joints.

One event is one group of messages with the same MCAP `sequence`, the number of the event, from 0 without gaps: the raw
message that the loop was given (joints, imu, goal), the event itself, and the answer, where there was one.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from std_msgs.msg import Float64, Float64MultiArray

from adapt import provenance
from adapt.bundle import WEIGHTS, PolicyBundle
from robots import RobotSpec
from ros_bridge import conversions
from ros_bridge.bag_state import state_message
from ros_bridge.control_loop import Output
from ros_bridge.errors import BridgeError

FORMAT = "2"
"""Of the header and of the events."""
NAMES = ("events", "certified", "requested", "belief", "familiarity", "latency", "state")
"""The topics below the node's name."""
_COLUMNS = ("sequence", "arrival [s]", "now [s]", "outcome", "took [s]")
_POLICY = ("robot_digest", "observation", "action", "goal", "adapter", "familiarity")


class Kind(enum.Enum):
    """What reached the loop."""

    JOINTS = "joints"
    IMU = "imu"
    GOAL = "goal"
    WATCH = "watch"
    """The watchdog, where it had something to say."""
    START = "start"
    """Activation."""
    HALT = "halt"
    """The service `stop`."""
    RESTORE = "restore"
    """What was understood before came from a file."""
    PARAMETERS = "parameters"
    """From now on a policy that adapts by gradients acts by these, and explores so far."""
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    """The services of these names."""
    FORGET = "forget"
    """The service `reset_belief`."""
    END = "end"
    """The last command before silence."""


class Outcome(enum.IntEnum):
    """What came of an event."""

    NOTHING = 0
    ANSWER = 1
    FAILED = 2
    """The loop raised an exception; the node gave up."""


@dataclass
class Event:
    """Something that reached the loop, and what it answered."""

    kind: Kind
    sequence: int
    arrival: float = 0.0
    """When it came, monotonic, in [s]; 0 where the loop was not told."""
    now: float = 0.0
    """ROS time in [s], as the loop was told; 0 where it was not."""
    topic: str = ""
    """Of goals: the relative name of the topic that they came on. Of others: empty."""
    message: Any = None
    """As it came; None where the loop was given none."""
    outcome: Outcome = Outcome.NOTHING
    output: Output | None = None
    """The answer; as it is read from a bag, without its belief."""
    took: float = 0.0
    """How long the policy took, by which its reading was older when it answered, in [s]."""
    time: int = 0
    """Wall-clock time in [ns]."""
    belief: conversions.BeliefReading | None = None
    """What the answer said of the named quantities, as it is read from a bag."""
    state: Mapping[str, np.ndarray] | None = None
    """Of `RESTORE` and `PARAMETERS`: what the adapter is given."""
    familiarity: np.ndarray | None = None
    """What the answer said of `JUDGED`, in that order, as it is read from a bag. Shape (4,)."""
    latency: float | None = None
    """From `arrival` until the command was certified, in [s]."""


@dataclass(frozen=True)
class BagTopics:
    """Where everything stands in a bag; absolute names."""

    own: dict[str, str]
    """By one of `NAMES`."""
    heard: Callable[[str], str]
    """The absolute name of a robot's topic."""


def header(
    bundle: PolicyBundle,
    spec: RobotSpec,
    goal_timeout: float,
    topics: BagTopics,
    fallback: PolicyBundle | None = None,
) -> dict[str, str]:
    """What a replay has to know before the first event, as MCAP metadata."""
    return {
        "format": FORMAT,
        "bundle": str(bundle.path),
        "manifest_digest": bundle.manifest["manifest_digest"],
        "policy_digest": policy_digest(bundle),
        "fallback": "" if fallback is None else str(fallback.path),
        "fallback_digest": "" if fallback is None else policy_digest(fallback),
        "family": bundle.manifest["family"]["name"],
        "robot": spec.name,
        "robot_digest": spec.digest,
        "goal_timeout": repr(goal_timeout),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "topics": json.dumps(topics.own),
        "versions": json.dumps(provenance.versions()),
        "machine": provenance.machine(),
    }


def policy_digest(bundle: PolicyBundle) -> str:
    """sha256 of what the commands depend on: graphs, layouts, robot and when nothing is learnt; not of scores, training
    or model card.
    """
    manifest = bundle.manifest
    parts: dict[str, Any] = {name: manifest.get(name) for name in _POLICY}
    if manifest.get("reward") is not None:
        parts["reward"] = manifest["reward"]
    parts["graphs"] = {
        name: digest for name, digest in manifest["files"].items() if name.endswith((".onnx", WEIGHTS))
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def messages(
    event: Event, spec: RobotSpec, family: dict[str, Any], topics: BagTopics
) -> Iterator[tuple[str, Any]]:
    """An event as a bag's topics and messages, in their order."""
    if event.message is not None:
        yield topics.heard(_source(event, spec)), event.message
    yield topics.own["events"], event_message(event)
    if event.state is not None:
        yield topics.own["state"], state_message(event.state)
    output = event.output
    if output is None:
        return
    yield topics.own["certified"], certified_message(output.command, spec.joint_names)
    yield (
        topics.own["requested"],
        conversions.requested_message(output.requested, output.reasons, spec.joint_names),
    )
    if output.belief is not None:
        labels = family["belief_names"], family["belief_units"]
        yield topics.own["belief"], conversions.belief_message(output.belief, *labels)
    if output.familiarity is not None:
        yield topics.own["familiarity"], conversions.familiarity_message(output.familiarity)
    if event.latency is not None:
        yield topics.own["latency"], Float64(data=event.latency)


def event_message(event: Event) -> Float64MultiArray:
    """Labelled with the kind, of goals also with their topic's name; then the columns."""
    row = np.array([[event.sequence, event.arrival, event.now, event.outcome, event.took]], float)
    return conversions.labelled(row, (f"{event.kind.value} {event.topic}".strip(), ",".join(_COLUMNS)))


def read_event(message: Float64MultiArray) -> Event:
    """Takes an `event_message` apart.

    Raises:
        BridgeError: it is none.
    """
    try:
        kind, _, topic = next(iter(message.layout.dim)).label.partition(" ")
        sequence, arrival, now, outcome, took = message.data
        return Event(Kind(kind), int(sequence), arrival, now, topic, outcome=Outcome(int(outcome)), took=took)
    except (StopIteration, ValueError, OverflowError) as error:
        raise BridgeError(f"no event: {error}") from error


def certified_message(command: np.ndarray, joint_names: tuple[str, ...]) -> Float64MultiArray:
    """A certified command in [command unit], shape (J,), labelled with its joints."""
    return conversions.labelled(command[None], ("certified", ",".join(joint_names)))


def _source(event: Event, spec: RobotSpec) -> str:
    """The relative name of the topic that an event's message came on."""
    if event.kind is Kind.IMU and spec.imu is not None:
        return spec.imu.topic
    return spec.ros.joint_states if event.kind is Kind.JOINTS else event.topic
