"""Studies: many trainings as one: methods searched, repeated and measured under one protocol, and gone on with after any kill."""
