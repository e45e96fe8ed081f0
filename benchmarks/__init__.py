"""Measurements of speed, memory and start-up, side by side with other tools: `make bench`."""
