"""`kinsight serve` as a command: it says where it is, answers, and ends with a sentence."""

from __future__ import annotations

import asyncio
import builtins
import json
import multiprocessing
import os
import re
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Said, kinsight
from kinsight.cli import main
from kinsight.server.running import serve

__all__ = ["kinsight"]

Call = Callable[..., Said]


def _serving(said: Path, *arguments: str) -> None:
    asyncio._set_running_loop(None)  # a browser of other tests may have left its own in this process
    with said.open("w") as stream:
        sys.stdout = sys.stderr = stream
        code = main(["serve", *arguments])
        sys.stdout.flush()
        os._exit(code)


def _until(said: Path, found: str) -> str:
    for _ in range(600):
        text = said.read_text() if said.exists() else ""
        if found in text:
            return text
        time.sleep(0.05)
    raise AssertionError(said.read_text())


def test_it_says_where_it_is_answers_and_ends_with_a_sentence(birds: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    child = multiprocessing.get_context("fork").Process(target=_serving, args=(said, str(birds), "--port", "0"))
    child.start()
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", _until(said, "Ctrl-C ends"))
        assert address
        with urllib.request.urlopen(f"{address[0]}api/about", timeout=30) as answer:
            assert json.load(answer)["name"] == "birds.kin"
            assert "server" not in answer.headers
        os.kill(child.pid or 0, signal.SIGINT)
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
    assert said.read_text().splitlines()[-1] == "stopped; judgements are kept beside the index"
    assert "Traceback" not in said.read_text()


def test_what_cannot_be_served_is_said_in_a_sentence(kinsight: Call, birds: Path, tmp_path: Path) -> None:
    assert "is no index" in kinsight("serve", __file__, "--port", 0).sentence
    assert "does not exist" in kinsight("serve", tmp_path / "none.kin", "--port", 0).sentence
    assert "token has 3 characters" in kinsight("serve", birds, "--token", "abc").sentence
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "is taken by another program" in kinsight("serve", birds, "--port", taken.getsockname()[1]).sentence
    assert "port 99999999" in kinsight("serve", birds, "--port", 99999999).sentence
    assert "no address 'no such host'" in kinsight("serve", birds, "--host", "no such host").sentence


def test_for_the_network_there_is_always_a_token(birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("kinsight.server.running.made_application", lambda *given, **options: None)
    monkeypatch.setattr("uvicorn.Server.run", lambda *given, **options: None)
    for options in ({}, {"host": "0.0.0.0"}, {"host": "0.0.0.0", "token": "a word & more"}, {"token": "a word & more"}):
        serve(birds, port=0, opened=opened.append, **options)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", opened[0])
    assert re.fullmatch(r"http://[\d.]+:\d+/\?token=[\w-]{16}", opened[1])
    assert opened[2].endswith("/?token=a%20word%20%26%20more")
    assert opened[3].startswith("http://127.0.0.1:")
    assert opened[3].endswith("/?token=a%20word%20%26%20more")


def test_without_its_packages_it_says_what_to_install(
    kinsight: Call, birds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = builtins.__import__

    def without(name: str, *more: Any, **others: Any) -> Any:
        if name == "uvicorn":
            raise ImportError("No module named 'uvicorn'", name="uvicorn")
        return whole(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'kinsight[serve]'" in kinsight("serve", birds).sentence
