#!/usr/bin/env python3
"""Does a server that is told to end, at any moment and under load, end with status 0, and leave no client without an end?

Rounds with several threads of connections: clients that stream, wait for whole answers and for vectors, connect, and leave; then SIGTERM after a random while, with no time to drain or a
little, sometimes twice. Made for a build with ThreadSanitizer, too, whose reports are another status: see --runner.

    shutdown.py --jinx build/dev/bin/jinx [--rounds 6] [--seed 1]
"""

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time

from embeddings import encoder_folder
from server import Server, main_over_model

PATHS = {"stream": "/v1/completions", "whole": "/v1/completions", "vectors": "/v1/embeddings", "leave": "/v1/completions", "idle": None}


def body_of(kind):
    if kind == "vectors":
        return {"input": ["a few words " * 30] * 40}
    return {"prompt": "Once upon a time " * 10, "max_tokens": 500, "ignore_eos": True, "stream": kind != "whole", "n": 2}


def client(server, kind, end, counts, problems):
    """Asks until the server has ended. An answer that has begun may break off only by the end of the connection."""
    while not end.is_set():
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
                if kind == "idle":
                    end.wait(0.05)
                    continue
                body = json.dumps(body_of(kind)).encode()
                connection.sendall(f"POST {PATHS[kind]} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                got = connection.recv(4096)
                while kind != "leave" and (part := connection.recv(65536)):
                    got += part
                    if got.endswith((b"0\r\n\r\n", b"}")) and kind != "stream":
                        break
                counts[kind] = counts.get(kind, 0) + 1
        except (ConnectionError, http.client.HTTPException):
            end.wait(0.01)
        except TimeoutError:
            problems.append(f"{kind}: nothing came for 30 s, not even the end of the connection")
            return


def round_of(server, rng, outcomes, counts):
    end, problems = threading.Event(), []
    kinds = ["stream", "stream", "whole", "vectors", "leave", "idle"]
    threads = [threading.Thread(target=client, args=(server, kind, end, counts, problems)) for kind in kinds]
    for thread in threads:
        thread.start()
    time.sleep(rng.random() * 1.5)
    server.process.send_signal(rng.choice([signal.SIGTERM, signal.SIGINT]))
    if rng.random() < 0.3:
        time.sleep(rng.random() * 0.2)
        server.process.send_signal(signal.SIGTERM)
    try:
        code = server.process.wait(60)
    except subprocess.TimeoutExpired:
        code = None
    end.set()
    for thread in threads:
        thread.join(40)
    outcomes.expect(code == 0, f"the server ended with {code}: {server.said()}")
    outcomes.expect(not problems and not any(thread.is_alive() for thread in threads), f"clients that wait: {problems}")


def check(outcomes, options, plan, model, folder):
    encoder, encoder_plan, rng, counts = encoder_folder(folder), folder / "minilm.jxp", random.Random(options.seed), {}
    subprocess.run([options.jinx, "compile", encoder, "-o", encoder_plan], check=True, capture_output=True)
    for i in range(options.rounds):
        more = ["--otlp", "http://127.0.0.1:9", "--trace", folder / f"trace{i}.json"] if i % 3 == 2 else []
        with Server(options.jinx, plan, model, "--embedding-model", encoder_plan, "--embedding-tokenizer", encoder / "tokenizer.json", "--io-threads", rng.choice([1, 3]),
                    "--drain", rng.choice([0, 0, 0.3]), "--pages", 256, *more) as server:
            round_of(server, rng, outcomes, counts)
        if more:
            outcomes.expect(bool(json.loads((folder / f"trace{i}.json").read_text())), "the trace of a server that was told to end is no JSON")
    print(f"{options.rounds} ends among {counts}")


def arguments(parser):
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check, arguments=arguments))
