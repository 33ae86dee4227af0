"""Runs the checks of one client and prints their report as JSON.

Usage: run.py CHECKS.PY
"""

import asyncio
import importlib.util
import inspect
import json
import os
import signal
import sys
import time
import traceback
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass

CHECKS = []

WAIT_SECONDS = 20
CHECK_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A server of this test, with the key that it wants."""

    url: str
    key: str

    def metric(self, series):
        """The value of a series of the server's metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=WAIT_SECONDS) as reply:
            lines = reply.read().decode().splitlines()
        (value,) = (line.split()[-1] for line in lines if line.startswith(f"{series} "))
        return float(value)


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
# Every parameter of a generation that all of TGI's clients spell alike.
PARAMETERS = {
    "do_sample": True,
    "frequency_penalty": 0.2,
    "max_new_tokens": 8,
    "repetition_penalty": 1.1,
    "return_full_text": True,
    "seed": 2**64 - 1,
    "temperature": 0.8,
    "top_k": 20,
    "top_p": 0.95,
    "truncate": 12,
    "typical_p": 0.95,
    "watermark": True,
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


@contextmanager
def one_dropped():
    """In here the scripted server has to count one request as dropped."""
    series = 'tgi_request_failure{err="dropped"}'
    after = SCRIPTED.metric(series) + 1
    yield
    until(f"{after} dropped requests", lambda: SCRIPTED.metric(series) == after)


def until_idle():
    """Waits until nothing runs on the scripted server."""
    until("an idle server", lambda: SCRIPTED.metric("tgi_batch_current_size") == 0)


def until(what, condition):
    """Waits until the condition holds; one that never does fails by its name."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {WAIT_SECONDS} s"
        time.sleep(0.02)


def outcome(function):
    signal.alarm(CHECK_SECONDS)
    try:
        result = function()
        if inspect.iscoroutine(result):
            asyncio.run(result)
        return None
    except BaseException:
        return traceback.format_exc(limit=-6)
    finally:
        signal.alarm(0)


def out_of_time(_number, _frame):
    """Ends a check where it hangs, so that its report shows the place."""
    raise TimeoutError(f"the check took more than {CHECK_SECONDS} s")


def main(path):
    signal.signal(signal.SIGALRM, out_of_time)
    sys.modules["run"] = sys.modules["__main__"]
    spec = importlib.util.spec_from_file_location("checks", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    checks = [{"name": inspect.getdoc(each), "error": outcome(each)} for each in CHECKS]
    print(json.dumps({"checks": checks}))


if __name__ == "__main__":
    main(sys.argv[1])
