"""What can be read from surfaces: scales to draw them on, numbers that describe them, verdicts on them."""
