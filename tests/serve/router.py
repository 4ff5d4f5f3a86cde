#!/usr/bin/env python3
"""Does a router in front of two replicas answer as one server does, keep equal beginnings together, and outlive a replica?

    router.py --jinx build/dev/bin/jinx
"""

import json
import signal
import socket
import sys
import time

from server import Server, generated, main_over_model, runner_of

PROMPTS = [f"{name} lived in a house by the sea. " for name in ("Anna", "Bert", "Clara", "Dora", "Emil", "Fritz", "Gerda", "Hans")]


class Router(Server):
    def __init__(self, jinx, *replicas):  # noqa: super's start has a model
        self.start([runner_of(jinx), "serve", "--replicas", ",".join(replica.url for replica in replicas), "--port", "0"])


def ended(server, outcome="length"):
    return server.metrics()[f'jinx_requests_total{{outcome="{outcome}"}}']


def stream(port, seconds=30, **body):
    """A connection that has asked for a stream."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    data = json.dumps({**body, "stream": True}).encode()
    connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    return connection


def check(outcomes, jinx, plan, model):
    wanted = generated(jinx, plan, model, [{"prompt": prompt, "max_tokens": 6, "temperature": 0} for prompt in PROMPTS])
    with Server(jinx, plan, model, "--pages", 256) as one, Server(jinx, plan, model, "--pages", 256) as two, Router(jinx, one, two) as router:
        for prompt, (text, _) in zip(PROMPTS, wanted):
            before = ended(one), ended(two)
            for _ in range(2):
                status, answer = router.post("/v1/completions", prompt=prompt, max_tokens=6, temperature=0)
                outcomes.expect(status == 200 and answer["choices"][0]["text"] == text, f"{prompt!r}: {status} {answer}, expected {text!r}")
            outcomes.expect(sorted((ended(one) - before[0], ended(two) - before[1])) == [0, 2], f"equal beginnings went to both: {prompt!r}")
        outcomes.expect(ended(one) > 0 and ended(two) > 0, "one replica got everything")
        status, answer = router.post("/v1/completions", prompt="x", n=-1)
        outcomes.expect(status == 400 and answer["error"]["param"] == "n", f"an error of a replica: {status} {answer}")

        # A stream comes through as it is made, and its end is the connection's to go on from.
        connection = stream(router.port, prompt=PROMPTS[0], max_tokens=40, temperature=0)
        got, times = b"", []
        while b"[DONE]" not in got:
            part = connection.recv(65536)
            if not part:
                break
            got += part
            times.append(time.monotonic())
        outcomes.expect(len(times) > 5 and times[-1] - times[0] > 0.05, f"a stream came in {len(times)} parts")
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        outcomes.expect(b'{"status":"ok"}' in connection.recv(65536), "a connection ends with its stream")
        connection.close()

        # A client that leaves ends its request at the replica.
        connection = stream(router.port, prompt=PROMPTS[0], max_tokens=3000, ignore_eos=True)
        connection.recv(1000)
        connection.close()
        end = time.monotonic() + 5
        while ended(one, "disconnected") + ended(two, "disconnected") < 1 and time.monotonic() < end:
            time.sleep(0.05)
        outcomes.expect(ended(one, "disconnected") + ended(two, "disconnected") == 1, "a client that left is not cancelled at the replica")

        # A replica that ends in the middle is seen; afterwards the other one answers everything.
        connection = stream(router.port, prompt=PROMPTS[0], max_tokens=3000, ignore_eos=True)
        got = connection.recv(1000)
        busy, other = (one, two) if one.metrics()["jinx_requests_running"] else (two, one)
        busy.process.send_signal(signal.SIGKILL)
        while part := connection.recv(65536):
            got += part
        outcomes.expect(b"[DONE]" not in got and not got.endswith(b"0\r\n\r\n"), f"a stream that broke off looks whole: {got[-100:]!r}")
        connection.close()
        for prompt, (text, _) in zip(PROMPTS, wanted):
            status, answer = router.post("/v1/completions", prompt=prompt, max_tokens=6, temperature=0)
            outcomes.expect(status == 200 and answer["choices"][0]["text"] == text, f"with one replica, {prompt!r}: {status} {answer}")
        other.process.send_signal(signal.SIGKILL)
        other.process.wait()
        status, headers, answer = router.ask("POST", "/v1/completions", {"prompt": "x"})
        outcomes.expect(status == 502 and b"no_replica" in answer and "Retry-After" in headers, f"without replicas: {status} {answer!r}")
        outcomes.expect(router.end() == 0, "the router did not end well")


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, lambda outcomes, options, plan, model, folder: check(outcomes, options.jinx, plan, model)))
