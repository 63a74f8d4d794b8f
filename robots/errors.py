"""One exception base for what a user can mend, in all rooms, and this room's own."""


class UserError(ValueError):
    """Something that the user can mend; the message says what and how, in one line."""


class RobotError(UserError):
    """A robot description, sensor frame or command that cannot be used."""


class RobotSpecError(RobotError):
    """A `robot.yaml` that is malformed, incomplete or disagrees with its model."""


class UnknownRobotError(RobotError):
    """A robot name that is not registered."""
