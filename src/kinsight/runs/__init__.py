"""The run folder and its records: what was trained, what was measured, and which runs may be compared."""
