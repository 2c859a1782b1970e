"""A pair explained: its page, its figure, its files."""
