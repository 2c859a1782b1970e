"""Which way cameras looked: as text, as a sentence, as circular histograms, and as a page of examples."""
