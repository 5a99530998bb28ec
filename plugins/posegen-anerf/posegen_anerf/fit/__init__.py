"""A person learned from images (Su et al. 2021, Eq 11-12)."""
