"""The deploy half: adapters and the controller that runs them, in evaluation and on the robot alike."""
