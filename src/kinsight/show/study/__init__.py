"""A study: its tables as text, Markdown, CSV and LaTeX, and its page."""
