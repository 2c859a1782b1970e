"""The hits of a search: in a terminal, as JSON, and as a page on which each opens to why it was found."""
