#!/usr/bin/env python3
"""Does `bench serve` see what a server does? A server written here, with the standard library, that answers by script and notes what it was asked and when.

    bench_client.py --jinx build/dev/bin/jinx
"""

import argparse
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from server import Outcomes

FIRST, GAP, TOKENS = 0.15, 0.05, 4  # seconds to the first text, between two; pieces of text
SLACK = 0.5  # seconds that a busy machine may add


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def plain(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            return self.plain(401, {"error": {"message": "no"}})
        return self.plain(200, {"object": "list", "data": [{"id": "scripted"}]} if self.path == self.server.prefix + "/v1/models" else {})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append((time.monotonic(), self.path, self.headers.get("Authorization"), body))
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
        self.runs = True
        try:
            self.server.gate()
            self.answer(body)
        except OSError:  # the client has gone
            self.close_connection = True
        finally:
            self.leave()

    def leave(self):
        """Before the client can know that its answer has ended: then it asks the next one."""
        if self.runs:
            with self.server.lock:
                self.server.running -= 1
        self.runs = False

    def write(self, data, step=1 << 20):
        for i in range(0, len(data), step):
            part = data[i : i + step]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()

    def answer(self, body):
        what = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        if what in ("429", "500"):
            return self.plain(int(what), {"error": {"message": f"it is {what}"}})
        if what == "whole":
            return self.plain(200, {"choices": [{"text": "no stream"}]})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end, step = ("\r\n", 1) if what == "trickle" else ("\n", 1 << 20)
        send = lambda event: self.write(f"data: {event if isinstance(event, str) else json.dumps(event)}{end}{end}".encode(), step)  # noqa: E731
        time.sleep(self.server.first)
        for i in range(TOKENS):
            if what == "slow":
                time.sleep(5)
            if i == 2 and what == "cut":
                self.close_connection = True
                return None
            if i == 2 and what == "error":
                send({"error": {"message": "it broke"}})
            send({"choices": [{"delta": {"content": "x"}} if "messages" in body else {"text": "x"}]})
            time.sleep(GAP if i < TOKENS - 1 else 0)
        if what != "no usage":
            send({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 2 * TOKENS, "total_tokens": 11 + 2 * TOKENS, "prompt_tokens_details": {"cached_tokens": 3}}})
        self.leave()
        send("[DONE]")
        self.wfile.write(b"0\r\n\r\n")
        return None


class Scripted(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, key="", prefix="", first=FIRST, gate=lambda: None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.key, self.prefix, self.first, self.gate = key, prefix, first, gate
        self.lock, self.asked, self.running, self.most = threading.Lock(), [], 0, 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}{prefix}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def bench(jinx, url, *options):
    """Exit status, figures, what was said on standard error."""
    done = subprocess.run([pathlib.Path(jinx).parent / "jinx-rt", "bench", "serve", "--url", url, "--json", "-", "--raw", *map(str, options)], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else None, done.stderr


def check_outcomes(outcomes, jinx, folder):
    wanted = {"ok": None, "429": "429", "500": "500", "slow": "timeout", "cut": "broken", "error": "error", "no usage": None, "trickle": None, "whole": "broken"}
    prompts = pathlib.Path(folder) / "prompts.txt"
    prompts.write_text("\n".join(wanted) + "\n\n")
    with Scripted() as server:
        code, figures, said = bench(jinx, server.url, "--prompts", prompts, "--requests", len(wanted), "--output-tokens", 9, "--timeout", 2, "--goodput", "ttft=0.01")
    outcomes.expect(code == 0, f"exit status {code}: {said}")
    got = {name: one["failure"] for name, one in zip(wanted, figures["each"])}
    outcomes.expect(got == wanted, f"failures {got}, expected {wanted}")
    outcomes.expect((figures["completed"], figures["rejected"], figures["failures"]) == (3, 1, {"500": 1, "timeout": 1, "broken": 2, "error": 1}), f"counts {figures}")
    outcomes.expect(figures["without_usage"] == 1 and figures["output_tokens"] == 2 * TOKENS * 2 + TOKENS and figures["prompt_tokens"] == 22 and figures["cached_tokens"] == 6, f"tokens {figures}")
    outcomes.expect(figures["goodput"]["requests"] == 0 and "warning: 500: it is 500" in said and "warning: error: it broke" in said, f"said {said!r}")
    for name, one in zip(wanted, figures["each"]):
        if wanted[name] is None:
            outcomes.expect(FIRST <= one["ttft_s"] <= FIRST + SLACK, f"{name}: first text at {one['ttft_s']}")
            outcomes.expect(len(one["gaps_s"]) == TOKENS - 1 and all(GAP * 0.5 <= gap <= GAP + SLACK for gap in one["gaps_s"]), f"{name}: gaps {one['gaps_s']}")
            outcomes.expect(one["e2e_s"] >= one["ttft_s"] + sum(one["gaps_s"]), f"{name}: whole {one['e2e_s']}")
    slow = figures["each"][list(wanted).index("slow")]
    outcomes.expect(2 <= slow["e2e_s"] <= 2 + SLACK, f"a deadline of 2 s passed after {slow['e2e_s']}")


def check_requests(outcomes, jinx, folder):
    keys = pathlib.Path(folder) / "keys"
    keys.write_text("# KEY NAME WEIGHT\nsk-example alice 2\nsk-other bob\n")
    with Scripted(key="sk-example", prefix="/some/path", first=0) as server:
        code, _, said = bench(jinx, server.url)
        outcomes.expect(code == 1 and "the server wants a key" in said, f"without a key: {code} {said!r}")
        code, figures, said = bench(jinx, server.url + "/v1", "--api-key-file", keys, "--chat", "--requests", 3, "--prompt-tokens", 5, "--output-tokens", "3-4", "--temperature", 0.5, "--seed", 9, "--ignore-eos")
        outcomes.expect(code == 0 and figures["completed"] == 3 and figures["model"] == "scripted", f"with a key: {code} {said}")
        for index, (_, path, key, body) in enumerate(server.asked):
            outcomes.expect((path, key) == ("/some/path/v1/chat/completions", "Bearer sk-example"), f"asked {path} with {key}")
            text = body.pop("messages")[0]["content"]
            outcomes.expect(len(text.split()) == 5 and body.pop("max_tokens") in (3, 4), f"prompt {text!r}")
            outcomes.expect(body == {"model": "scripted", "temperature": 0.5, "seed": 9 + index, "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}, f"fields {body}")
        server.asked.clear()
        bench(jinx, server.url, "--api-key-file", keys, "--requests", 1, "--prompt-tokens", 5, "--model", "given")
        outcomes.expect(server.asked[0][1] == "/some/path/v1/completions" and set(server.asked[0][3]) == {"model", "prompt", "max_tokens", "temperature", "stream", "stream_options"}, f"fields {server.asked}")
        outcomes.expect(server.asked[0][3]["model"] == "given", f"model {server.asked}")
    code, _, said = bench(jinx, server.url)
    outcomes.expect(code == 1 and "no connection to 127.0.0.1" in said and "refused" in said, f"without a server: {code} {said!r}")


def check_loops(outcomes, jinx, folder):
    with Scripted(first=0) as server:
        code, figures, said = bench(jinx, server.url, "--requests", 12, "--concurrency", 3)
        outcomes.expect(code == 0 and server.most == 3 and len(server.asked) == 12 == figures["completed"], f"closed loop: {server.most} at a time, {len(server.asked)} asked {said}")
    barrier = threading.Barrier(8)
    with Scripted(first=0, gate=lambda: barrier.wait(20)) as server:
        code, figures, said = bench(jinx, server.url, "--requests", 8, "--rate", "inf")
        outcomes.expect(code == 0 and figures["completed"] == 8 and server.most == 8, f"an open loop waits for nobody: {server.most} at a time {said}")
    with Scripted(first=0) as server:
        code, figures, said = bench(jinx, server.url, "--requests", 40, "--rate", 40, "--seed", 3)
        seen = [at - server.asked[0][0] for at, *_ in server.asked]
        sent = [one["at_s"] - figures["each"][0]["at_s"] for one in figures["each"]]
        outcomes.expect(len(seen) == 40 and all(abs(a - b) < SLACK for a, b in zip(seen, sent)), f"times of sending {sent}, of arrival {seen}")
        due = [one["at_s"] - one["late_s"] for one in figures["each"]]
        again = bench(jinx, server.url, "--requests", 40, "--rate", 40, "--seed", 3)[1]
        outcomes.expect(all(abs(a - one["at_s"] + one["late_s"]) < 1e-9 for a, one in zip(due, again["each"])), "one seed, two schedules")
        code, figures, said = bench(jinx, server.url, "--seconds", 0.8, "--rate", 20)
        outcomes.expect(code == 0 and all(one["at_s"] - one["late_s"] < 0.8 for one in figures["each"]) and figures["requests"] > 4, f"bounded by time: {figures['requests']} {said}")
        code, figures, said = bench(jinx, server.url, "--seconds", 0.8, "--concurrency", 2)
        outcomes.expect(code == 0 and all(one["at_s"] < 0.8 for one in figures["each"]) and figures["requests"] > 2, f"bounded by time: {figures['requests']} {said}")
        code, _, said = bench(jinx, server.url, "--seconds", 1, "--rate", "inf")
        outcomes.expect(code == 1 and "expected --requests N" in said, f"all at once without an end: {said!r}")

        server.asked.clear()
        trace = pathlib.Path(folder) / "trace.jsonl"
        trace.write_text('{"at": 0.6, "prompt_tokens": 3, "output_tokens": 5}\n{"at": 0.1, "prompt": "Hello there", "output_tokens": 7}\n{"at": 0.9, "prompt_tokens": 6, "output_tokens": 2}\n')
        code, figures, said = bench(jinx, server.url, "--trace", trace, "--shared-prefix-tokens", 2)
        asked = [(len(body["prompt"].split()), body["max_tokens"]) for *_, body in server.asked]
        outcomes.expect(asked == [(4, 7), (5, 5), (8, 2)] and server.asked[0][3]["prompt"].endswith(" Hello there"), f"of the trace {asked} {said}")
        due = [one["at_s"] - one["late_s"] for one in figures["each"]]
        outcomes.expect(all(abs(a - b) < 1e-9 for a, b in zip(due, (0.1, 0.6, 0.9))), f"of the trace, a schedule {due}")
        seen, sent = [at - server.asked[0][0] for at, *_ in server.asked], [one["at_s"] - figures["each"][0]["at_s"] for one in figures["each"]]
        outcomes.expect(all(abs(a - b) < SLACK for a, b in zip(seen, sent)) and sent[2] > 0.3, f"of the trace, sent {sent}, seen {seen}")
        server.asked.clear()
        bench(jinx, server.url, "--trace", trace, "--requests", 1)
        outcomes.expect(len(server.asked) == 1, "a bounded trace")
        trace.write_text('{"at": 0}\n')
        code, _, said = bench(jinx, server.url, "--trace", trace)
        outcomes.expect(code == 1 and "line 1: output_tokens is missing" in said, f"a bad trace: {said!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", type=pathlib.Path, default="build/dev/bin/jinx")
    options = parser.parse_args()
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory() as folder:
        check_outcomes(outcomes, options.jinx, folder)
        check_requests(outcomes, options.jinx, folder)
        check_loops(outcomes, options.jinx, folder)
    return outcomes.end()


if __name__ == "__main__":
    sys.exit(main())
