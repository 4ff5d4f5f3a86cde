#!/usr/bin/env python3
"""Does the server hold for a while under everything at once?

Clients ask at random for texts, whole or streamed, one or several, at temperature zero or with a seed; some leave in the middle, close only half, cancel by id, or do not read.
There are few pages, so that requests are preempted. Every answer, and every beginning of one, must be what `jinx generate` says of that prompt alone. At the end all pages are
free, all connections closed, no descriptors open that were not, and memory is where it was after the first part.

    soak.py --jinx build/dev/bin/jinx [--seconds 30] [--clients 8] [--seed 1]
"""

import json
import random
import socket
import sys
import threading
import time

from server import Server, generated, main_over_model

STORY = "Once upon a time there was a small village between two mountains. Every winter the snow closed the only road, and the people told each other stories. "
PAGES = 18  # few, so that requests are preempted
PROMPTS = [STORY, STORY + "One of them began:", STORY * 2, STORY * 2 + "The oldest woman said:", "The capital of France is", "The capital of Italy is", "def fibonacci(n):\n    ",
           "1, 2, 3, 4, 5, 6, 7,", "Dear Sir or Madam,\n", "It was a dark and stormy night; " * 3]


def requests():
    """What may be asked for: greedy and by seed."""
    return [{"prompt": prompt, "max_tokens": tokens, **sampling} for i, prompt in enumerate(PROMPTS)
            for tokens, sampling in ((24 + i, {"temperature": 0}), (40 - i, {"temperature": 0.8, "seed": 100 + i}))]


class Client(threading.Thread):
    ACTIONS = {"whole": 8, "stream": 8, "leave": 4, "half": 2, "reset": 2, "cancel": 2, "bad": 1, "idle": 1}

    def __init__(self, server, wanted, outcomes, end, seed):
        super().__init__()
        self.server, self.wanted, self.outcomes, self.end, self.random = server, wanted, outcomes, end, random.Random(seed)
        self.counts = {}

    def run(self):
        while time.monotonic() < self.end:
            action = self.random.choices(list(self.ACTIONS), list(self.ACTIONS.values()))[0]
            try:
                self.act(action)
                self.counts[action] = self.counts.get(action, 0) + 1
            except Exception as error:  # noqa: BLE001: a client must not end unseen
                self.outcomes.expect(False, f"{action}: {type(error).__name__}: {error}")

    def act(self, action):
        index = self.random.randrange(len(self.wanted))
        request, (text, finish) = self.wanted[index]
        stream = action != "whole"
        if action == "bad":
            status, _ = self.server.post("/v1/completions", **{**request, "max_tokens": -1})
            return self.outcomes.expect(status == 400, f"a bad request: {status}")
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=120)
        with connection:
            if action == "idle":
                return time.sleep(self.random.random() * 0.2)
            stream = stream and (action in ("stream", "cancel") or self.random.random() < 0.6)
            self.send(connection, {**request, "stream": stream})
            if action in ("leave", "half", "reset"):
                return self.leave(connection, action)
            self.read(connection, request, text, finish, stream, action == "cancel")

    def send(self, connection, request):
        body = json.dumps(request).encode()
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def leave(self, connection, how):
        time.sleep(self.random.random() ** 2)
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how == "half":
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def read(self, connection, request, text, finish, stream, cancels):
        got, status, objects = b"", 0, []
        while part := connection.recv(65536):
            got += part
            if cancels and b'"id":"' in got:
                self.server.ask("POST", "/v1/cancel", {"id": got.split(b'"id":"')[1].split(b'"')[0].decode()})
                cancels = False
        head, _, body = got.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status == 429:
            return
        self.outcomes.expect(status == 200, f"status {status}: {body[:200]!r}")
        if stream:
            objects = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
            self.outcomes.expect(b"data: [DONE]" in body, f"a stream without its end: {body[-200:]!r}")
        else:
            objects = [json.loads(body)]
        said = "".join(part["choices"][0]["text"] for part in objects)
        ended = objects[-1]["choices"][0]["finish_reason"]
        if ended == "cancelled":
            self.outcomes.expect(text.startswith(said), f"{request}: {said!r} is no beginning of {text!r}")
        else:
            self.outcomes.expect((said, ended) == (text, finish), f"{request}: {said!r} {ended}, expected {text!r} {finish}")


def hold(outcomes, options, plan, model, kind=Client):
    """A server under clients of a kind, in two parts. \returns all of them"""
    asked, all_clients = requests(), []
    wanted = list(zip(asked, generated(options.jinx, plan, model, asked)))
    with Server(options.jinx, plan, model, "--pages", PAGES, "--max-running", 8, "--max-waiting", 6, "--drafts", 3, "--budget", 64) as server:
        begin, counts = time.monotonic(), {}
        memory = descriptors = 0
        for part in range(2):  # memory grows at first: the second part must not
            end = begin + options.seconds * (part + 1) / 2
            clients = [kind(server, wanted, outcomes, end, options.seed * 1000 + part * 100 + i) for i in range(options.clients)]
            all_clients += clients
            for client in clients:
                client.start()
            for client in clients:
                client.join()
                for action, count in client.counts.items():
                    counts[action] = counts.get(action, 0) + count
            found = server.rest(30)
            time.sleep(0.5)  # our own connection closes
            if part == 0:
                memory, descriptors = server.memory_kib(), server.descriptors()
        outcomes.expect(server.descriptors() <= descriptors, f"{server.descriptors()} descriptors open, {descriptors} before")
        if options.runner:
            print("memory is not judged with --runner: a sanitizer's own grows")
        else:
            outcomes.expect(server.memory_kib() < memory + 8192, f"{server.memory_kib()} KiB of memory, {memory} before")
        outcomes.expect(found['jinx_pages{state="free"}'] == PAGES, f"pages free: {found}")
        ended = {name.split('"')[1]: int(value) for name, value in found.items() if name.startswith("jinx_requests_total")}
        outcomes.expect(ended["slow_reader"] == ended["error"] == 0, f"requests ended as {ended}")
        print(f"{sum(counts.values())} actions {counts}; ended {ended}; preemptions {found['jinx_preemptions_total']:.0f}, tokens found {found['jinx_cached_tokens_total']:.0f}, "
              f"drafts {found['jinx_accepted_draft_tokens_total']:.0f} of {found['jinx_draft_tokens_total']:.0f}, memory {memory} then {server.memory_kib()} KiB")
        status = server.end()
        outcomes.expect(status == 0, f"the server ended with {status}")
    return all_clients


def check(outcomes, options, plan, model, folder):
    hold(outcomes, options, plan, model)


def arguments(parser):
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check, arguments=arguments))
