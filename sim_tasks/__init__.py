"""Which tasks: families of randomised robots and their batched simulation."""
