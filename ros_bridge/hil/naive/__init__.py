"""What nodes and drives would do without their protections: for the test of the tests alone, see `protections`."""
