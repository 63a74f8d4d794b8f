"""One self-contained HTML page that shows what a run has learnt, scored and done on robots."""

from adapt.report.page import write_report

__all__ = ["write_report"]
