"""The page that compares two runs by what they find and where they look."""
