"""`kinsight` and `python -c` as commands, forked from a process that has imported everything: a command then costs what it does.

The seconds of importing PyTorch are most of what a short program takes. Everything else is as it would be: arguments, folder,
environment, standard streams and exit code are the caller's.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
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
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

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


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs, `kinsight` and `python`, to be put in front of PATH: one for all processes of a test run."""
    with (shared_by_processes(tmp_path_factory) / "programs.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not (known := lock.read()):
            lock.write(known := start())
    return Path(known)


def shared_by_processes(factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run: its processes have theirs beside each other."""
    return factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()


def start() -> str:
    """Start the process that forks; it ends with the test run."""
    folder = Path(tempfile.mkdtemp())  # a socket's address has to be short
    address = folder / "socket"
    for program in ("kinsight", "python"):
        client = folder / program
        client.write_text(CLIENT.format(python=sys.executable, program=program, address=str(address)), encoding="utf-8")
        client.chmod(0o755)
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    server = subprocess.Popen(
        [sys.executable, __file__, str(folder), str(owner)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with server.stdout as said:  # type: ignore[union-attr]
        assert said.readline() == b"ready\n"
    server.returncode = 0  # nobody waits for it
    return str(folder)


def serve(folder: Path, owner: int) -> None:
    """Import the whole package, then fork for every caller, as long as the owner lives."""
    import kinsight

    for module in pkgutil.walk_packages(kinsight.__path__, "kinsight."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()  # so that collecting in a fork touches, and copies, nothing of this
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()
        listening.settimeout(1)
        print("ready", flush=True)
        while lives(owner):
            try:
                caller, _ = listening.accept()
            except TimeoutError:
                continue
            with caller:
                if os.fork() == 0:
                    listening.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    try:
                        answer(caller)
                    finally:
                        os._exit(70)
    shutil.rmtree(folder)


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


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
        leave(main)
    assert arguments[0] == "-c"
    sys.argv = arguments[:1] + arguments[2:]
    leave(lambda: exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"}))


def leave(work: Callable[[], int | None]) -> NoReturn:
    """Do the work and end as Python does, but without taking apart what was imported, which would first copy all of it."""
    code: object = 1
    try:
        code = work()
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if isinstance(code, str) else int(code or 0))  # type: ignore[call-overload]


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
