"""Reports: figures, numbers and words together on one page."""
