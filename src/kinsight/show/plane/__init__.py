"""Embeddings in the plane: where pictures lie, which are drawn where many lie together, and the colours of their classes."""
