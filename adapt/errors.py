"""One exception base for everything that is wrong with a bundle, a run or a request to this package."""

from robots.errors import UserError


class AdaptError(UserError):
    """A bundle, run or request that cannot be used."""


class BundleError(AdaptError):
    """A bundle that is damaged, malformed or not for this robot; names the field."""


class RunError(AdaptError):
    """A training run that cannot be read, resumed or evaluated."""
