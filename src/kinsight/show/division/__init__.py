"""The page of a division: its clusters, its masks, and what they did to the embedding."""
