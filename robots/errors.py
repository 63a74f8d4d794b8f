"""One exception base for everything that is wrong with a robot's description."""


class RobotError(ValueError):
    """A robot description, sensor frame or command that cannot be used."""


class RobotSpecError(RobotError):
    """A `robot.yaml` that is malformed, incomplete or disagrees with its model."""


class UnknownRobotError(RobotError):
    """A robot name that is not registered."""
