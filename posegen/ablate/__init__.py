"""``posegen ablate``: a grid of settings x seeds, each cell a run of its own, and one table with intervals."""
