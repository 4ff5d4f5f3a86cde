#!/usr/bin/env python3
"""Does the server refuse what it should, with the status and the form of OpenAI's errors, and go on?

A table of requests, each with the status, the code and the field that its refusal must name; then bytes that are no HTTP, keys, a queue that is full, and clients that
go away, half or whole, or do not read. After all of it every page is free and the server answers.

    bad_requests.py --jinx build/dev/bin/jinx
"""

import json
import re
import signal
import socket
import sys
import threading
import time

from server import Server, main_over_model

DEEP = b"[" * 100000
# (what is wrong, path, body, status, what the message says, field)
TABLE = [
    ("empty body", "/v1/completions", b"", 400, "no JSON", None),
    ("cut off", "/v1/completions", b'{"prompt":', 400, "malformed at byte", None),
    ("nested deeply", "/v1/completions", b'{"prompt":' + DEEP, 400, "nested deeper", None),
    ("not UTF-8", "/v1/completions", b'{"prompt":"\xff\xfe"}', 400, "malformed", None),
    ("a lone surrogate", "/v1/completions", b'{"prompt":"\\ud800"}', 400, "malformed", None),
    ("a number beyond floats", "/v1/completions", b'{"prompt":"x","temperature":1e999}', 400, "out of range", None),
    ("an array", "/v1/completions", b"[1]", 400, "expected an object", None),
    ("many keys", "/v1/completions", json.dumps({str(i): i for i in range(3000)}).encode(), 400, "2048 keys", None),
    ("no prompt", "/v1/completions", {}, 400, "prompt is missing", "prompt"),
    ("empty prompt", "/v1/completions", {"prompt": ""}, 400, "no tokens", "prompt"),
    ("prompt of objects", "/v1/completions", {"prompt": [{}]}, 400, "expected a token", "prompt"),
    ("tokens that are none", "/v1/completions", {"prompt": [1, 2**31]}, 400, "expected a token below", "prompt"),
    ("negative tokens", "/v1/completions", {"prompt": [-1]}, 400, "expected a token below", "prompt"),
    ("texts and tokens", "/v1/completions", {"prompt": ["a", 5]}, 400, "expected text or tokens", "prompt"),
    ("too many prompts", "/v1/completions", {"prompt": ["a"] * 65}, 400, "at most 64", "prompt"),
    ("too many choices", "/v1/completions", {"prompt": ["a"] * 10, "n": 7}, 400, "at most 64", "n"),
    ("a long prompt", "/v1/completions", {"prompt": [5] * 9000}, 400, "has room for", None),
    ("n is 0", "/v1/completions", {"prompt": "x", "n": 0}, 400, "n is 0", "n"),
    ("n is huge", "/v1/completions", {"prompt": "x", "n": 2**63}, 400, "n is 9223372036854775808", "n"),
    ("max_tokens is negative", "/v1/completions", {"prompt": "x", "max_tokens": -5}, 400, "max_tokens is -5", "max_tokens"),
    ("max_tokens is huge", "/v1/completions", {"prompt": "x", "max_tokens": 10**18}, 400, "max_tokens is 1", "max_tokens"),
    ("max_tokens is a fraction", "/v1/completions", {"prompt": "x", "max_tokens": 1.5}, 400, "expected an integer", "max_tokens"),
    ("temperature is negative", "/v1/completions", {"prompt": "x", "temperature": -1}, 400, "temperature is -1", "temperature"),
    ("temperature is text", "/v1/completions", {"prompt": "x", "temperature": "hot"}, 400, "expected a number", "temperature"),
    ("a retention that there is not", "/v1/completions", {"prompt": "x", "retention_priority": 4}, 400, "expected an integer from 0 to 3", "retention_priority"),
    ("retention for a negative time", "/v1/completions", {"prompt": "x", "retention_seconds": -1}, 400, "retention_seconds is -1", "retention_seconds"),
    ("top_p is large", "/v1/completions", {"prompt": "x", "top_p": 1.5}, 400, "top_p is 1.5", "top_p"),
    ("logprobs are many", "/v1/completions", {"prompt": "x", "logprobs": 1000}, 400, "logprobs is 1000", "logprobs"),
    ("stop is empty", "/v1/completions", {"prompt": "x", "stop": ""}, 400, "stop has", "stop"),
    ("stops are many", "/v1/completions", {"prompt": "x", "stop": ["a"] * 17}, 400, "at most 16", "stop"),
    ("bias of no token", "/v1/completions", {"prompt": "x", "logit_bias": {"-1": 1}}, 400, "expected a token", "logit_bias"),
    ("bias of text", "/v1/completions", {"prompt": "x", "logit_bias": {"5x": 1}}, 400, "expected a token", "logit_bias"),
    ("large bias", "/v1/completions", {"prompt": "x", "logit_bias": {"5": 101}}, 400, "from -100 to 100", "logit_bias"),
    ("stream is text", "/v1/completions", {"prompt": "x", "stream": "yes"}, 400, "expected true or false", "stream"),
    ("options without stream", "/v1/completions", {"prompt": "x", "stream_options": {"include_usage": True}}, 400, "stream is not true", "stream_options"),
    ("an unknown field", "/v1/completions", {"prompt": "x", "tempurature": 1}, 400, "no field", "tempurature"),
    ("an unknown model", "/v1/completions", {"prompt": "x", "model": "gpt-9"}, 404, "no model", "model"),
    ("a format without type", "/v1/completions", {"prompt": "x", "response_format": {}}, 400, "with \"type\"", "response_format"),
    ("an unknown format", "/v1/completions", {"prompt": "x", "response_format": {"type": "xml"}}, 400, "expected text, json_object", "response_format"),
    ("a pattern that is none", "/v1/completions", {"prompt": "x", "response_format": {"type": "regex", "regex": "(("}}, 400, "response_format", "response_format"),
    ("a schema that is none", "/v1/completions", {"prompt": "x", "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}}, 400, "response_format",
     "response_format"),
    ("a pattern past the limits", "/v1/completions", {"prompt": "x", "response_format": {"type": "regex", "regex": "a{100000}"}}, 400, "response_format", "response_format"),
    ("no messages", "/v1/chat/completions", {}, 400, "messages is missing", "messages"),
    ("empty messages", "/v1/chat/completions", {"messages": []}, 400, "messages is an array", "messages"),
    ("an unknown role", "/v1/chat/completions", {"messages": [{"role": "root", "content": "x"}]}, 400, "no role", "messages[0].role"),
    ("no content", "/v1/chat/completions", {"messages": [{"role": "user"}]}, 400, "no content", "messages[0].content"),
    ("an image", "/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, 400, "text only", "messages[0].content"),
    ("top_logprobs alone", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "top_logprobs": 2}, 400, "logprobs is not true", "top_logprobs"),
    ("tools that are none", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "web"}]}, 400, "no {", "tools"),
    ("a choice without tools", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "tool_choice": "required"}, 400, "not in tools", "tool_choice"),
    ("what templates are told", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"bos_token": "y"}}, 400, "not the client's", "chat_template_kwargs"),
    ("no embeddings", "/v1/embeddings", {"input": "x"}, 404, "no model for embeddings", None),
    ("tokens of text", "/detokenize", {"tokens": "x"}, 400, "expected an array", "tokens"),
    ("tokens beyond all", "/detokenize", {"tokens": [10**9]}, 400, "expected tokens below", "tokens"),
    ("cancel of nobody", "/v1/cancel", {"id": "cmpl-0"}, 404, "no request", "id"),
    ("an unknown path", "/v1/images", {}, 404, "there is no /v1/images", None),
]


def check_table(server, outcomes):
    for what, path, body, status, says, field in TABLE:
        got, headers, answer = server.ask("POST", path, body)
        try:
            error = json.loads(answer)["error"]
        except (ValueError, KeyError, TypeError):
            error = {}
        good = got == status and says in str(error.get("message")) and error.get("param") == field and set(error) == {"message", "type", "param", "code"}
        outcomes.expect(good, f"{what}: {got} {answer[:300]!r}, expected {status}, {says!r}, {field}")
    got, headers, _ = server.ask("GET", "/v1/completions")
    outcomes.expect(got == 405, f"GET of completions: {got}")
    got, _, _ = server.ask("POST", "/v1/completions", b'{"prompt":"x"}', {"Content-Type": "text/plain"})
    outcomes.expect(got == 415, f"text/plain: {got}")


def raw(server, data, seconds=5, half=False):
    """What comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        try:
            connection.sendall(data)
            if half:
                connection.shutdown(socket.SHUT_WR)
            got = b""
            while part := connection.recv(65536):
                got += part
            return got
        except (ConnectionError, TimeoutError):
            return b"" if "got" not in locals() else got


def check_bytes(server, outcomes):
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    cases = [
        ("no HTTP", b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        ("a long header", b"GET / HTTP/1.1\r\nX: " + b"a" * 40000 + b"\r\n\r\n", b"431"),
        ("a body that is announced too long", head + b"Content-Length: 99999999999\r\n\r\n", b"413"),
        ("a length that is none", head + b"Content-Length: -5\r\n\r\n", b"400"),
        ("chunks too long", head + b"Transfer-Encoding: chunked\r\n\r\n" + b"FFFFFFFFFFFFFFFF\r\n", b"4"),
    ]
    for what, data, status in cases:
        answer = raw(server, data)
        outcomes.expect(answer.startswith(b"HTTP/1.1 " + status), f"{what}: {answer[:120]!r}")
    # Two requests at once: the answers come in order.
    two = raw(server, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    outcomes.expect(two.count(b"HTTP/1.1 200") == 2 and two.index(b'"status"') < two.index(b'"object"'), f"pipelined: {two!r}")
    # Random bytes after a valid beginning.
    for cut in (1, 10, 60, 100):
        raw(server, (head + b"Content-Length: 1000\r\n\r\n")[:cut], seconds=1, half=True)


def long_request(stream):
    body = json.dumps({"prompt": "Once upon a time", "max_tokens": 6000, "ignore_eos": True, "stream": stream}).encode()
    return b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def check_departures(server, outcomes):
    for stream in (False, True):
        for how in ("close", "reset", "half"):
            before = server.metrics()['jinx_requests_total{outcome="disconnected"}']
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(long_request(stream))
            time.sleep(0.3)
            if how == "half":
                connection.shutdown(socket.SHUT_WR)
            else:
                if how == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
            end = time.monotonic() + 3
            while (found := server.metrics())['jinx_requests_total{outcome="disconnected"}'] == before and time.monotonic() < end:
                time.sleep(0.02)
            outcomes.expect(found['jinx_requests_total{outcome="disconnected"}'] == before + 1, f"a client that left by {how}, stream {stream}, is not cancelled")
            connection.close()
    server.rest()


def check_cancel(server, outcomes):
    for method in ("POST", "DELETE"):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection.sendall(long_request(True))
        got = b""
        while not (found := re.search(rb'"id":"(cmpl-\w+)"', got)):
            got += connection.recv(4096)
        name = found.group(1).decode()
        status = server.ask("POST", "/v1/cancel", {"id": name})[0] if method == "POST" else server.ask("DELETE", f"/v1/completions/{name}")[0]
        while b"[DONE]" not in got:
            got += connection.recv(65536)
        connection.close()
        outcomes.expect(status == 200 and b'"finish_reason":"cancelled"' in got, f"cancel by {method}: {status}, {got[-300:]!r}")
    server.rest()


def check_slow_reader(server, outcomes):
    """It takes nothing: its request ends, and others do not wait for it."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    slow.connect(("127.0.0.1", server.port))
    slow.sendall(long_request(True))
    begin = time.monotonic()
    status, _ = server.post("/v1/completions", prompt="Hello", max_tokens=4)
    outcomes.expect(status == 200 and time.monotonic() - begin < 5, "others wait for a slow reader")
    end = time.monotonic() + 60
    while (found := server.metrics())['jinx_requests_total{outcome="slow_reader"}'] == 0 and found["jinx_requests_running"] and time.monotonic() < end:
        time.sleep(0.1)
    outcomes.expect(found['jinx_requests_total{outcome="slow_reader"}'] == 1, f"a slow reader's request ended as {({k: v for k, v in found.items() if 'requests_total' in k and v})}")
    slow.close()
    server.rest()


def check_keys(jinx, plan, model, folder, outcomes):
    keys = folder / "keys"
    keys.write_text("sk-alice-0001 alice 2\nsk-bob-00002 bob\n")
    with Server(jinx, plan, model, "--api-key-file", keys, "--pages", 256) as server:
        for what, header in (("no key", {}), ("a wrong key", {"Authorization": "Bearer sk-alice-0002"}), ("a beginning", {"Authorization": "Bearer sk-alice"})):
            for method, path in (("GET", "/v1/models"), ("GET", "/metrics"), ("POST", "/v1/completions"), ("POST", "/tokenize"), ("GET", "/nowhere")):
                status, headers, answer = server.ask(method, path, {"prompt": "x"} if method == "POST" else None, header)
                outcomes.expect(status == 401 and b"invalid_api_key" in answer and "WWW-Authenticate" in headers, f"{what}, {path}: {status}")
        outcomes.expect(server.ask("GET", "/health")[0] == 200, "health needs a key")
        alice, bob = ({"Authorization": f"Bearer {key}"} for key in ("sk-alice-0001", "sk-bob-00002"))
        outcomes.expect(server.ask("POST", "/v1/completions", {"prompt": "x", "max_tokens": 2}, bob)[0] == 200, "bob's key is refused")
        # Nobody cancels for another.
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection.sendall(long_request(True).replace(b"Host: x", b"Host: x\r\nAuthorization: Bearer sk-alice-0001"))
        got = b""
        while not (found := re.search(rb'"id":"(cmpl-\w+)"', got)):
            got += connection.recv(4096)
        name = found.group(1).decode()
        outcomes.expect(server.ask("POST", "/v1/cancel", {"id": name}, bob)[0] == 404, "bob cancels alice's request")
        outcomes.expect(server.ask("POST", "/v1/cancel", {"id": name}, alice)[0] == 200, "alice cannot cancel her request")
        connection.close()


def check_queue(jinx, plan, model, outcomes):
    """One request runs, two wait; the fourth is told when to come again. Then the server ends and says so to those that run."""
    with Server(jinx, plan, model, "--max-running", 1, "--max-waiting", 2, "--drain", 1) as server:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(server.post("/v1/completions", prompt="Once", max_tokens=6000, ignore_eos=True))) for _ in range(3)]
        for thread in threads:
            thread.start()
            time.sleep(0.2)
        status, headers, answer = server.ask("POST", "/v1/completions", {"prompt": "x"})
        outcomes.expect(status == 429 and int(headers.get("Retry-After", 0)) >= 1 and b"rate_limit" in answer, f"a full queue: {status} {headers} {answer!r}")
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(30)
        for thread in threads:
            thread.join(10)
        outcomes.expect(code == 0 and 0.5 < time.monotonic() - begin < 10, f"ends with {code} after {time.monotonic() - begin:.1f} s")
        ended = [answer["choices"][0]["finish_reason"] for status, answer in answers if status == 200]
        outcomes.expect(ended == ["cancelled"] * 3, f"those that ran were told {ended}")


def check(outcomes, options, plan, model, folder):
    with Server(options.jinx, plan, model, "--pending-events", 64, "--write-timeout", 5) as server:
        before = server.descriptors()
        check_table(server, outcomes)
        check_bytes(server, outcomes)
        check_departures(server, outcomes)
        check_cancel(server, outcomes)
        check_slow_reader(server, outcomes)
        status, answer = server.post("/v1/completions", prompt="The capital of France is", max_tokens=8, temperature=0)
        outcomes.expect(status == 200 and answer["choices"][0]["text"].startswith(" Paris.\n\nThe"), f"after all of it: {status} {answer}")
        server.rest()
        time.sleep(0.2)
        outcomes.expect(server.descriptors() <= before + 1, f"{server.descriptors()} open descriptors, {before} before")
    check_keys(options.jinx, plan, model, folder, outcomes)
    check_queue(options.jinx, plan, model, outcomes)


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check))
