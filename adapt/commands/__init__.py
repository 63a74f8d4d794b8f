"""The subcommands of `adapt`. Each imports what it needs when it runs: a robot has neither torch nor mujoco."""
