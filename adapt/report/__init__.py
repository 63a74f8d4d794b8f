"""Self-contained HTML pages: what a run has learnt, scored and done on robots; evaluations; runs side by side."""
