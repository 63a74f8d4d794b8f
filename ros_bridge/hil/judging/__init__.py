"""What a run came to: its trace, what was expected, and by how much it was kept or missed."""
