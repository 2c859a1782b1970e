"""The error a user reads."""


class KinsightError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence: what was given, what is allowed, how to repair. The command line prints it and exits with
    code 1; any other exception is a fault of the program and keeps its stack trace.
    """


class NotFiniteError(KinsightError):
    """A training, or a model, whose numbers are not finite any more."""


class Stopped(KeyboardInterrupt):
    """Somebody stopped a long work (Ctrl-C); the message says what of it is stored and how to go on."""
