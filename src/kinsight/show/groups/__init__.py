"""What the groups of a head do, on one page."""
