"""The browser for the tests of pages."""

from browser import chromium, open_page

__all__ = ["chromium", "open_page"]
