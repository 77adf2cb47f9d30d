"""The support desk of service.py, started once a rung and asked as its users ask it."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

SERVICE = Path(__file__).with_name("service.py")


@pytest.fixture(scope="session")
def desk(ladder_env):
    command = [sys.executable, SERVICE]
    with subprocess.Popen(
        command, env=ladder_env, stdout=subprocess.PIPE, text=True
    ) as service:
        yield service.stdout.readline().strip()
        service.terminate()


@pytest.mark.cheap(at_least=0.5)
@pytest.mark.ladder(cases="cases.jsonl", ahead="fixtures")
def test_desk(desk, llm, case):
    body = json.dumps({"question": case.input}).encode()
    request = urllib.request.Request(desk, body, llm.headers)
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)["answer"]
    assert any(wanted in answer for wanted in case.expected), answer
    assert [call.model for call in llm.calls] == ["gpt-4o-mini"]
