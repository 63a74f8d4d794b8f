"""One exception base for everything that is wrong with a task or its simulation."""


class TaskError(ValueError):
    """A task family, split, parameter or simulation request that cannot be used."""
