"""The page on which people search an index, and the API behind it: safe for whoever happens to be on the same network."""
