"""Datasets: the open benchmark, and the data that PoseGen generates."""
