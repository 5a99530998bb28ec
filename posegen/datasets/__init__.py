"""Datasets: the open benchmark, what PoseGen generates, and loaders of published ones."""
