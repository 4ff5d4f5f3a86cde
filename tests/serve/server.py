"""A running `jinx-rt serve` on loopback, for tests: SmolLM2, a free port, ended by its process id."""

import argparse
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "models"))
from packages import Missing, data  # noqa: E402, F401

NAME = "smollm2"
# Which jinx-rt is tested, where it is not the one beside jinx: one with a sanitizer has no compiler beside it.
chosen_runner = None


def runner_of(jinx):
    return chosen_runner or pathlib.Path(jinx).parent / "jinx-rt"


def compiled(jinx, folder):
    """A plan of SmolLM2 and the file that it is from."""
    model = data("smollm2.gguf")
    plan = pathlib.Path(folder) / "smollm2.jxp"
    subprocess.run([jinx, "compile", model, "-o", plan], check=True, capture_output=True)
    return plan, model


class Server:
    def __init__(self, jinx, plan, model, *options, program="jinx-rt"):
        """plan None: what is served is among the options."""
        self.runner = runner_of(jinx) if program == "jinx-rt" else pathlib.Path(jinx).parent / program
        language = [plan, "--tokenizer", model, "--name", NAME] if plan else []
        self.start([self.runner, "serve", *language, "--port", "0", "--threads", "1", *map(str, options)])

    def start(self, command):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115: read when the server has ended
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        if "http://" not in line:
            self.process.wait(10)
            raise RuntimeError(f"the server says {line!r} {self.said()!r}")
        self.port = int(line.split("http://")[1].split()[0].rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, headers=None, timeout=60):
        """Status, headers and bytes of an answer; a body that is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            given = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(method, path, given, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def post(self, path, **body):
        status, _, answer = self.ask("POST", path, body)
        return status, json.loads(answer)

    def metrics(self, headers=None):
        """{name with labels: value}"""
        text = self.ask("GET", "/metrics", headers=headers)[2].decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}

    def rest(self, seconds=10):
        """The metrics once nothing runs, all pages are free and no connection but ours is open."""
        end = time.monotonic() + seconds
        while True:
            found = self.metrics()
            busy = [name for name in ("jinx_requests_running", "jinx_requests_waiting", 'jinx_pages{state="used"}') if found[name] != 0]
            if not busy and found["jinx_connections"] == 1:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds} s not at rest: {busy}, connections {found['jinx_connections']}")
            time.sleep(0.05)

    def memory_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self, timeout=60):
        """Exit status after SIGTERM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def said(self):
        """The end of what it wrote to its standard error."""
        self.errors.seek(0)
        return self.errors.read()[-4000:]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """A server that does not end well is a fault in every test, but where a test has killed it."""
        code = self.end()
        if kind is None and code not in (0, -signal.SIGKILL):
            raise AssertionError(f"the server ended with {code}: {self.said()}")


def generated(jinx, plan, model, requests):
    """What `generate --batch` says to each request: the text and why it ended."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    file = pathlib.Path(plan).with_suffix(".jsonl")
    file.write_text(lines)
    done = subprocess.run([jinx, "generate", plan, "--tokenizer", model, "--batch", file], capture_output=True, text=True, check=True)
    answers = sorted(map(json.loads, done.stdout.splitlines()), key=lambda answer: answer["index"])
    return [(answer["text"], answer["finish"]) for answer in answers]


class Outcomes:
    """Cases that held and those that did not."""

    def __init__(self):
        self.count, self.failures = 0, []

    def expect(self, good, text):
        self.count += 1
        if not good:
            self.failures.append(text)
            print(f"FAILED {text}", flush=True)

    def end(self):
        print(f"{self.count - len(self.failures)} passed, {len(self.failures)} failed")
        return 1 if self.failures else 0


def main_over_model(description, check, needs=None, arguments=lambda parser: None):
    """What the scripts here do: a plan of SmolLM2 in a folder of its own, then check(outcomes, options, plan, model, folder). \returns the exit status

    needs: what is missing, as text, or None; arguments adds options to the parser beside --jinx.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path, default="build/dev/bin/jinx")
    parser.add_argument("--runner", type=pathlib.Path, help="the jinx-rt to test, where it is not beside jinx: one with a sanitizer")
    arguments(parser)
    options = parser.parse_args()
    global chosen_runner
    chosen_runner = options.runner
    if needs:
        print(f"skipped: {needs}")
        return 77
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            plan, model = compiled(options.jinx, folder)
            check(outcomes, options, plan, model, folder)
        except Missing as missing:
            print(f"skipped: {missing}")
            return 77
    return outcomes.end()
