"""The atlas: all pictures of an embedding in the plane, as one page to walk in or one figure for a paper."""
