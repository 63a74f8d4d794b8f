"""One exception base for what can go wrong between ROS, recordings and processes."""

from robots.errors import UserError


class BridgeError(UserError):
    """A message, recording or process that cannot be used."""


class RecordingError(BridgeError):
    """A recording that cannot be replayed; names the file and the column or row."""


class ProcessError(BridgeError):
    """A process that did not start, or ended otherwise than expected; says where its log is."""
