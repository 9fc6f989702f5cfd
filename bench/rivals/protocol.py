"""The contestant's half of the conversation (see ../protocol.ts) for contestants written in Python: one JSON object a line."""

import json
import os
import sys
import time
import traceback

# Libraries may print; stdout belongs to the runner.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Skip(Exception):
    """The contestant cannot take part; the text says why."""


class Work:
    """What a contestant has made ready for one case: `check()` returns numbers all contestants have to agree on,
    `run(steps)` runs steps and returns when all of their results are there."""

    def __init__(self, check, run, versions, note=None):
        self.check, self.run, self.versions, self.note = check, run, versions, note


def _fit(work, chunk):
    start = time.perf_counter()
    work.run(1)
    return max(1, min(chunk, int(0.25 / (time.perf_counter() - start))))


def _warm(work, chunk, seconds):
    start = time.perf_counter()
    steps = 0
    while steps < 10 or time.perf_counter() - start < seconds:
        work.run(chunk)
        steps += chunk
        if time.perf_counter() - start > 10 * seconds:
            break
    return steps


def _round(work, chunk, seconds):
    # Just woken up: caches are cold and the clock may be low. That is not what is measured.
    awake, cpu_awake = time.perf_counter(), time.process_time()
    while True:
        work.run(chunk)
        if time.perf_counter() - awake >= 0.05 * seconds:
            break
    samples = []
    cpu = time.process_time()
    start = before = time.perf_counter()
    while True:
        work.run(chunk)
        after = time.perf_counter()
        samples.append((after - before) / chunk * 1000)
        before = after
        if before - start >= seconds:
            break
    end = time.process_time()
    return {"samples": samples, "cpu": end - cpu, "awake": end - cpu_awake, "wall": before - start, "steps": len(samples) * chunk}


def serve(prepare):
    """Answers the runner until it closes the pipe. `prepare(setup)` returns a `Work`."""
    work, chunk = None, 1
    for line in sys.stdin:
        message = json.loads(line)
        try:
            what = message["do"]
            if what == "setup":
                work, chunk = prepare(message), message["chunk"]
                answer = {"versions": work.versions, "note": work.note}
                if work.note is None:
                    del answer["note"]
            elif what == "first":
                work.run(1)
                answer = {}
            elif what == "check":
                answer = {"values": [float(value) for value in work.check()]}
            elif what == "warm":
                work.run(2)
                chunk = _fit(work, chunk)
                answer = {"steps": _warm(work, chunk, message["seconds"])}
            else:
                answer = _round(work, chunk, message["seconds"])
        except Skip as reason:
            answer = {"skip": str(reason)}
        except Exception:  # noqa: BLE001 - whatever it is, the table says so
            answer = {"error": traceback.format_exc()[-1500:]}
        _answers.write(json.dumps(answer) + "\n")
        _answers.flush()
