"""`adapt atari`: learners of discrete actions on Atari games, game by game and seed by seed, and one table of them."""

from adapt.atari.cells import AtariRequest, run_cells
from adapt.atari.table import table, table_lines

__all__ = ["AtariRequest", "run_cells", "table", "table_lines"]
