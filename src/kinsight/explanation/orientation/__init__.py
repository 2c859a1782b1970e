"""Which way the camera of a panorama looked, read off the point-to-point tensor of a panorama and an aerial picture."""
