"""Meta-training: update rules are discovered here, on populations of agents in many environments."""
