"""Networks of the learn half."""
