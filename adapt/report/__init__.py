"""Self-contained HTML pages: what a run has learnt, scored and done on robots; evaluations; runs side by side."""

from adapt.report.comparison import write_comparison
from adapt.report.evaluation import write_evaluation
from adapt.report.page import write_report

__all__ = ["write_comparison", "write_evaluation", "write_report"]
