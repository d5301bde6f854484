# The other end of a Side in Python: timing as Weft's side does it, and JSON lines that are answered.
import json
import sys
import time


def start_clocks():
    """A function of a number of repetitions: wall and processor microseconds of one, since this call."""
    start, processor = time.perf_counter(), time.process_time()

    def figures(count):
        elapsed, busy = time.perf_counter() - start, time.process_time() - processor
        return {"microseconds": elapsed * 1e6 / count, "processor": busy * 1e6 / count}

    return figures


def timed(function, count):
    """One of `count` calls, one after the other."""
    clocks = start_clocks()
    for _ in range(count):
        function()
    return clocks(count)


def timed_for(function, seconds, calls=1, at_once=8, settle=lambda: None):
    """One of the `calls` that `function` makes: it is called `at_once` times, then settle() waits for what is queued, until the time is over."""
    clocks = start_clocks()
    count = 0
    while True:
        for _ in range(at_once):
            function()
        count += at_once * calls
        settle()
        figures = clocks(count)
        if figures["microseconds"] * count > seconds * 1e6:
            return figures


def answer(commands):
    """Answers requests until there are no more: `commands` maps a request's command to a function that returns the reply."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = commands[request["command"]](request)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply, separators=(",", ":")), flush=True)
