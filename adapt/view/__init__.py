"""Several tasks of a family side by side, moving: an HTML page, or a video where pictures can be rendered."""
