"""`kinsight` and `python -c` as commands, forked from a process that has imported everything: a command then costs what it does.

The seconds of importing PyTorch are most of what a short program takes. Everything else is as it would be: arguments, folder,
environment, standard streams and exit code are the caller's.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLIENT = """#!{python} -SEs
import json, os, socket, sys
asked = {{"program": {program!r}, "arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
text = json.dumps(asked).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [len(text).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(text)
    sys.exit(int(server.recv(3) or 70))
"""


@contextmanager
def forked_commands() -> Iterator[Path]:
    """A folder of programs, `kinsight` and `python`, to be put in front of PATH."""
    folder = Path(tempfile.mkdtemp())  # a socket's address has to be short
    address = folder / "socket"
    for program in ("kinsight", "python"):
        client = folder / program
        client.write_text(CLIENT.format(python=sys.executable, program=program, address=str(address)), encoding="utf-8")
        client.chmod(0o755)
    with subprocess.Popen([sys.executable, __file__, str(address)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield folder
        server.kill()
    shutil.rmtree(folder)


def serve(address: str) -> None:
    """Import the whole package, then fork for every caller."""
    import kinsight

    for module in pkgutil.walk_packages(kinsight.__path__, "kinsight."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            caller, _ = listening.accept()
            with caller:
                if os.fork() == 0:
                    listening.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    return answer(caller)


def answer(caller: socket.socket) -> None:
    """In a fork: do in a second one what is asked, and tell the caller how it ended."""
    header, streams, _, _ = socket.recv_fds(caller, 8, 3)
    length, text = int.from_bytes(header, "big"), b""
    while len(text) < length:
        text += caller.recv(length - len(text))
    asked = json.loads(text)
    if (child := os.fork()) != 0:
        caller.sendall(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
    caller.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    run(asked["program"], asked["arguments"])


def run(program: str, arguments: list[str]) -> None:
    """Never returns: the process ends as the command does."""
    sys.path[0] = ""  # instead of this file's folder
    if program == "kinsight":
        from kinsight.cli import main

        sys.argv = [program, *arguments]
        sys.exit(main())
    assert arguments[0] == "-c"
    sys.argv = arguments[:1] + arguments[2:]
    exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    sys.exit()


if __name__ == "__main__":
    serve(sys.argv[1])
