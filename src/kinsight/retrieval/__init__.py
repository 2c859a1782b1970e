"""Searching pictures: the index in one file, exact search in it, and what it is asked."""
