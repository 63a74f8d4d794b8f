"""Hardware in the loop: faults between a robot and its node, and who judges what the node makes of them."""
