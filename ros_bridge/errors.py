"""One exception base for what can go wrong between ROS, recordings and processes."""


class BridgeError(ValueError):
    """Something that the user can mend; the message says what and how."""


class RecordingError(BridgeError):
    """A recording that cannot be replayed; names the file and the column or row."""


class ProcessError(BridgeError):
    """A process that did not start, or ended otherwise than expected; says where its log is."""
