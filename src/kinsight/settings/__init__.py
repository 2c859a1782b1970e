"""The typed settings of a training: parsing, recipes."""
