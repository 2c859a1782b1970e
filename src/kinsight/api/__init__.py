"""The verbs: what the command line does, as functions of `kinsight`, one file each."""
