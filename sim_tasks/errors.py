"""One exception base for everything that is wrong with a task or its simulation."""

from robots.errors import UserError


class TaskError(UserError):
    """A task family, split, parameter or simulation request that cannot be used."""
