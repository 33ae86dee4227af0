"""Runs the checks of one client and prints their report as JSON.

Usage: run.py CHECKS.PY
"""

import asyncio
import importlib.util
import inspect
import json
import os
import sys
import time
import traceback
import urllib.request
from dataclasses import dataclass

CHECKS = []


@dataclass(frozen=True)
class Server:
    """A server of this test, with the key that it wants."""

    url: str
    key: str

    def failures(self, reason):
        """How many requests the server counts as failed for this reason."""
        with urllib.request.urlopen(f"{self.url}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        series = f'tgi_request_failure{{err="{reason}"}} '
        return sum(float(line[len(series) :]) for line in lines if line.startswith(series))


MODEL = Server(os.environ["MODEL_URL"], os.environ["MODEL_KEY"])
SCRIPTED = Server(os.environ["SCRIPTED_URL"], "none")

CITY_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}},
    "required": ["city"],
    "additionalProperties": False,
}
FIND_CITY = {
    "type": "function",
    "function": {"name": "find_city", "description": "Finds a city", "parameters": CITY_SCHEMA},
}
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def check(function):
    """Registers a check; the first line of its documentation is its name."""
    CHECKS.append(function)
    return function


def raised(kind, action):
    """The error of this kind that the action raises."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def until(condition):
    """Waits until the condition holds; the run's own limit ends a wait without end."""
    while not condition():
        time.sleep(0.02)


def outcome(function):
    try:
        result = function()
        if inspect.iscoroutine(result):
            asyncio.run(result)
        return None
    except BaseException:
        return traceback.format_exc(limit=-6)


def main(path):
    sys.modules["run"] = sys.modules["__main__"]
    spec = importlib.util.spec_from_file_location("checks", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    checks = [{"name": inspect.getdoc(each), "error": outcome(each)} for each in CHECKS]
    print(json.dumps({"checks": checks}))


if __name__ == "__main__":
    main(sys.argv[1])
