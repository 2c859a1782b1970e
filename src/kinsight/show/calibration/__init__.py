"""What a calibration found, as a table and a page."""
