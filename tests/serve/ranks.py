#!/usr/bin/env python3
"""Does a server whose model is split over ranks answer as one rank does, and end as it should?

A small random Llama, whole and split by heads on two ranks: threads of one process, and processes of mpirun. Completions, greedy and drawn, with logprobs and by a pattern, several at once, must be
those of one rank. A signal ends all of them, with requests on their way, too. When a rank is stopped, the request that waits for it has an error and the server ends with it; when one is killed,
mpirun ends with an error. None of it may hang. Ranks that cannot be are refused.

    ranks.py --jinx build/dev/bin/jinx
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import server
from server import Missing, Outcomes, Server, runner_of

try:
    import tiny_llama
except ImportError as missing:
    print(f"skipped: {missing}; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    sys.exit(77)

ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
MPIRUN = ["mpirun", "--oversubscribe", "-np", "2", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl_vader_single_copy_mechanism", "none"]
REQUESTS = [{"prompt": "!", "max_tokens": 12, "temperature": 0}, {"prompt": "!#%" * 12, "max_tokens": 20, "temperature": 1, "seed": 4},
            {"prompt": "&", "max_tokens": 5, "temperature": 0.5, "seed": 9, "logprobs": 2}, {"prompt": "(", "max_tokens": 6, "temperature": 0, "response_format": {"type": "regex", "regex": "[a-f]{6}"}}]


class MpiServer(Server):
    """A server of two processes."""

    def __init__(self, jinx, plans, tokenizer, *options):
        self.start([*MPIRUN, runner_of(jinx), "serve", plans, "--tokenizer", tokenizer, "--name", server.NAME, "--port", "0", "--threads", "1", "--communicator", "mpi", *map(str, options)])

    def rank(self, which):
        """Its process id."""
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                environment = (path / "environ").read_bytes().split(b"\0")
                parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            if parent == self.process.pid and f"OMPI_COMM_WORLD_RANK={which}".encode() in environment:
                return int(path.name)
        raise RuntimeError(f"there is no process of rank {which}")

    def ended(self, seconds):
        """The exit status, or None."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def ask(running, request):
    status, answer = running.post("/v1/completions", ignore_eos=True, **request)
    if status != 200:
        return status, answer
    choice = answer["choices"][0]
    logprobs = choice.get("logprobs") or {}
    return choice["text"], choice["finish_reason"], logprobs.get("tokens")


def answers(running):
    """One after the other, and all at once."""
    alone, together = [ask(running, request) for request in REQUESTS], [None] * len(REQUESTS)

    def at(i):
        together[i] = ask(running, REQUESTS[i])

    threads = [threading.Thread(target=at, args=(i,)) for i in range(len(REQUESTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return alone, together


def begin_long(running):
    """A request that takes long, in a thread."""
    thread = threading.Thread(target=lambda: running.ask("POST", "/v1/completions", {"prompt": "!", "max_tokens": 600, "ignore_eos": True}))
    thread.start()
    end = time.monotonic() + 20
    while running.metrics()["jinx_requests_running"] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    return thread


def quietly(call):
    """A connection that breaks off with its server is none of a client's faults."""
    try:
        return call()
    except OSError as error:
        return error


def check_threads(outcomes, jinx, plans, tokenizer, expected):
    with Server(jinx, plans, tokenizer, "--pages", 128, "--ranks", 2, "--drain", 0) as running:
        got = answers(running)
        outcomes.expect(got == expected, f"threads: {got}, expected {expected}")
        running.rest()
        thread = begin_long(running)
        begin = time.monotonic()
        code = running.end(20)
        thread.join()
        outcomes.expect(code == 0 and time.monotonic() - begin < 10, f"threads: ends with {code} after {time.monotonic() - begin:.1f} s, {running.said()}")


def check_mpi(outcomes, jinx, plans, tokenizer, expected):
    with MpiServer(jinx, plans, tokenizer, "--pages", 128) as running:
        got = answers(running)
        outcomes.expect(got == expected, f"mpirun: {got}, expected {expected}")
        os.kill(running.rank(1), signal.SIGTERM)  # is for the first one, and ends nothing
        outcomes.expect(ask(running, REQUESTS[0]) == expected[0][0], f"mpirun, behind a signal to the second rank: {running.said()}")
        os.kill(running.rank(0), signal.SIGTERM)
        code = running.ended(20)
        outcomes.expect(code == 0, f"mpirun, SIGTERM to the first rank: {code}, {running.said()}")


def check_stopped(outcomes, jinx, plans, tokenizer):
    """A rank that does not come: the world's error ends the request, and the server."""
    running = MpiServer(jinx, plans, tokenizer, "--pages", 128, "--rank-timeout", 1)
    os.kill(running.rank(1), signal.SIGSTOP)
    got = quietly(lambda: ask(running, REQUESTS[0]))
    code, said = running.ended(30), running.said()
    outcomes.expect(isinstance(got, tuple) and (got[0] == 500 or got[1] == "error"), f"a request that waits for a stopped rank: {got}")
    outcomes.expect(code not in (0, None) and re.search("rank 1: (does not answer|has not come)", said), f"a stopped rank: {code}, {said}")


def check_killed(outcomes, jinx, plans, tokenizer):
    running = MpiServer(jinx, plans, tokenizer, "--pages", 128)
    thread = threading.Thread(target=lambda: quietly(lambda: ask(running, {**REQUESTS[0], "max_tokens": 600})))
    thread.start()
    time.sleep(0.2)
    os.kill(running.rank(1), signal.SIGKILL)
    code = running.ended(30)
    thread.join()
    outcomes.expect(code not in (0, None), f"a killed rank: {code}, {running.said()}")


def check_refused(outcomes, jinx, plans, tokenizer, whole):
    cases = [((plans,), "pass --ranks N to run all in this process, or --communicator mpi under mpirun"), ((plans, "--ranks", "3"), "has plans for 2 ranks, there are 3 of --ranks"),
             ((whole, "--ranks", "2"), "ranks.json"), ((plans, "--ranks", "2", "--communicator", "mpi"), "expected one: threads of this process, or processes"),
             (("--ranks", "2", "--replicas", "http://127.0.0.1:9"), "--ranks and --communicator are about MODEL, and there is none")]
    for arguments, message in cases:
        done = subprocess.run(list(map(str, [runner_of(jinx), "serve", *arguments, "--tokenizer", tokenizer, "--port", "0"])), capture_output=True, text=True, timeout=60)
        outcomes.expect(done.returncode == 1 and message in done.stderr, f"{arguments}: status {done.returncode}, {done.stderr!r}, expected {message!r}")


def check(outcomes, jinx, folder):
    model, tokenizer = tiny_llama.write(folder)
    whole, plans = folder / "whole.jxp", folder / "plans"
    for name, arguments in ((whole, ()), (plans, ("--shard", "tp=2"))):
        subprocess.run([jinx, "compile", model, *arguments, "-o", name], check=True, capture_output=True)
    with Server(jinx, whole, tokenizer, "--pages", 128) as running:
        expected = answers(running)
    outcomes.expect(expected[0] == expected[1] and all(len(answer) == 3 for answer in expected[0]), f"one rank: {expected}")
    check_threads(outcomes, jinx, plans, tokenizer, expected)
    check_refused(outcomes, jinx, plans, tokenizer, whole)
    if not shutil.which("mpirun") or not list(jinx.resolve().parents[1].glob("lib/libjinx_mpi.so")):
        print("skipped: processes, there is no mpirun (openmpi-bin) or no libjinx_mpi.so")
        return
    check_mpi(outcomes, jinx, plans, tokenizer, expected)
    check_stopped(outcomes, jinx, plans, tokenizer)
    check_killed(outcomes, jinx, plans, tokenizer)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path, default="build/dev/bin/jinx")
    parser.add_argument("--runner", type=pathlib.Path, help="the jinx-rt to test, where it is not beside jinx: one with a sanitizer")
    options = parser.parse_args()
    server.chosen_runner = options.runner
    os.environ.update(ENVIRONMENT)
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(outcomes, options.jinx, pathlib.Path(folder))
        except Missing as missing:
            print(f"skipped: {missing}")
            return 77
    return outcomes.end()


if __name__ == "__main__":
    sys.exit(main())
