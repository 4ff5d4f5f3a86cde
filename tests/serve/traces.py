#!/usr/bin/env python3
"""Where does the server say that the time of requests went? Its spans, as a collector of OpenTelemetry gets them (`--otlp`) and as a file of Chrome's trace events (`--trace`).

A collector of this file stands in the real one's place. Asked of spans: the protocol's form, ids, times near those of this clock, children inside their parents, one whole for each request with
the tokens that its client was told, the trace of a client's `traceparent`. Then collectors that refuse for now, refuse for good, hang or are not there: what is tried again, what is
dropped and counted, and that no request waits. Asked of the file: every event's fields, and that the events of a row nest.

    traces.py --jinx build/dev/bin/jinx
"""

import http.server
import json
import re
import socket
import subprocess
import sys
import threading
import time

from embeddings import ENCODER, encoder_folder
from server import NAME, Server, main_over_model, runner_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """POST /v1/traces on loopback. answers: the statuses of the first requests, all later ones get 200; hangs: it answers nothing until it is closed."""

    def __init__(self, answers=(), hangs=False):
        self.answers, self.hangs, self.bodies, self.lock = list(answers), hangs, [], threading.Lock()
        self.closing, self.problems = threading.Event(), []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector.lock:
                    status = collector.answers.pop(0) if collector.answers else 200
                    collector.bodies.append((status, body))
                    if self.path != "/otel/v1/traces" or self.headers["Content-Type"] != "application/json":
                        collector.problems.append(f"{self.path} {self.headers['Content-Type']}")
                if collector.hangs:
                    collector.closing.wait(60)
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/otel"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        """Of bodies that were answered with 200."""
        with self.lock:
            bodies = [json.loads(body) for status, body in self.bodies if status == 200]
        return [span for body in bodies for resource in body["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def values(span):
    """Attributes; 64-bit numbers must be text."""
    read = {"intValue": int, "doubleValue": float, "stringValue": str}
    found = {}
    for attribute in span["attributes"]:
        ((kind, value),) = attribute["value"].items()
        if kind == "intValue" and not isinstance(value, str):
            raise AssertionError(f"{attribute}: a 64-bit number is text in JSON")
        found[attribute["key"]] = [item["stringValue"] for item in value["values"]] if kind == "arrayValue" else read[kind](value)
    return found


def check_form(outcomes, spans, begin_ns, end_ns):
    """Ids, times, and what is whose child."""
    ids = [span["spanId"] for span in spans]
    outcomes.expect(len(set(ids)) == len(ids), "ids of spans come twice")
    wholes = {span["spanId"]: span for span in spans if span["kind"] == 2}
    for span in spans:
        form = re.fullmatch("[0-9a-f]{32}", span["traceId"]) and re.fullmatch("[0-9a-f]{16}", span["spanId"]) and int(span["traceId"], 16) and int(span["spanId"], 16)
        times = all(isinstance(span[name], str) and span[name].isdigit() for name in ("startTimeUnixNano", "endTimeUnixNano"))
        outcomes.expect(bool(form) and times and span["name"] and span["kind"] in (1, 2), f"a span's form: {span}")
        first, last = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        outcomes.expect(begin_ns - 10**8 <= first <= last <= end_ns + 10**8, f"times of {span['name']}: {first} to {last}, between {begin_ns} and {end_ns}")
        if span["kind"] == 2:
            continue
        whole = wholes.get(span.get("parentSpanId"))
        outcomes.expect(whole is not None and whole["traceId"] == span["traceId"], f"{span['name']} has no parent among {len(wholes)}")
        if whole:
            outcomes.expect(int(whole["startTimeUnixNano"]) <= first and last <= int(whole["endTimeUnixNano"]), f"{span['name']} is not inside {whole['name']}")
            outcomes.expect(values(whole)["jinx.request"] == values(span)["jinx.request"], f"{span['name']} is of another request")
    return list(wholes.values())


def leave(server):
    """A client that goes away in the middle of a stream."""
    body = json.dumps({"prompt": "Once upon a time", "max_tokens": 3000, "ignore_eos": True, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        got = b""
        while got.count(b"data: ") < 5:
            got += connection.recv(4096)
    return re.search(rb'"id":"(cmpl-\w+)"', got).group(1).decode()


def traffic(server):
    """Requests of every kind. \returns {kind: (id or None, usage)}"""
    told = {}
    answer = server.post("/v1/completions", prompt="The capital of France is", max_tokens=12, temperature=0)[1]
    told["one"] = (answer["id"], answer["usage"])
    answer = server.post("/v1/completions", prompt=["Once upon a time " * 60, "1, 2, 3,"], n=2, max_tokens=20, temperature=0.7, seed=5, stop=["zzz"])[1]
    told["several"] = (answer["id"], answer["usage"])
    _, _, answer = server.ask("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8, "stream": True, "stream_options": {"include_usage": True}},
                              {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    parts = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]
    told["chat"] = (parts[0]["id"], parts[-1]["usage"])
    answer = server.post("/v1/embeddings", input=["one", "two words"] * 3, dimensions=8)[1]
    told["embeddings"] = (None, answer["usage"])
    server.ask("POST", "/v1/completions", {"prompt": "x", "max_tokens": 2}, {"traceparent": f"00-{TRACE[::-1]}-{PARENT}-00"})  # nobody wants its spans
    told["gone"] = (leave(server), None)
    server.post("/v1/completions", prompt="x", max_tokens=-1)  # is refused before it is a request
    return told


def check_requests(outcomes, spans, wholes, told):
    by_id = {values(span)["jinx.request"]: span for span in wholes}
    outcomes.expect(len(wholes) == len(told), f"{len(wholes)} requests with spans, expected {len(told)}: {[span['name'] for span in wholes]}")
    for kind, (name, usage) in told.items():
        whole = by_id.get(name) or next((span for span in wholes if values(span)["gen_ai.operation.name"] == kind), None)
        if not whole:
            outcomes.expect(False, f"no span of {kind}")
            continue
        found = values(whole)
        children = [span for span in spans if span.get("parentSpanId") == whole["spanId"] and span is not whole]
        names = {child["name"] for child in children}
        operation = {"chat": "chat", "embeddings": "embeddings"}.get(kind, "text_completion")
        model = ENCODER if kind == "embeddings" else NAME
        outcomes.expect(whole["name"] == f"{operation} {model}" and found["gen_ai.operation.name"] == operation and found["gen_ai.request.model"] == found["gen_ai.response.model"] == model, f"{kind}: {whole['name']}, {found}")
        outcomes.expect(found["http.response.status_code"] == 200 and found["http.request.method"] == "POST" and found["url.path"].startswith("/v1/"), f"{kind}: {found}")
        wanted = {"prepare", "queue", "embed"} if kind == "embeddings" else {"prepare", "queue", "prefill", "decode"}
        outcomes.expect(names == wanted, f"{kind}: spans {sorted(names)}, expected {sorted(wanted)}")
        if usage:
            outcomes.expect(found["gen_ai.usage.input_tokens"] == usage["prompt_tokens"] and found.get("gen_ai.usage.output_tokens") == usage.get("completion_tokens"), f"{kind}: {found}, told {usage}")
            outcomes.expect("status" not in whole and "error.type" not in found, f"{kind} has failed: {found}")
    one, several, gone = (values(by_id[told[kind][0]]) for kind in ("one", "several", "gone"))
    outcomes.expect(one["gen_ai.request.max_tokens"] == 12 and one["gen_ai.request.temperature"] == 0 and one["gen_ai.response.id"] == told["one"][0] and one["gen_ai.response.finish_reasons"] == ["length"], f"{one}")
    outcomes.expect(several["gen_ai.request.choice.count"] == 2 and several["gen_ai.request.seed"] == 5 and several["gen_ai.request.stop_sequences"] == ["zzz"] and len(several["gen_ai.response.finish_reasons"]) == 4, f"{several}")
    outcomes.expect(gone["error.type"] == "disconnected" and by_id[told["gone"][0]]["status"] == {"code": 2}, f"{gone}")
    chat = by_id[told["chat"][0]]
    outcomes.expect((chat["traceId"], chat.get("parentSpanId")) == (TRACE, PARENT), f"the trace of a client: {chat}")
    outcomes.expect(not any(span["traceId"] == TRACE[::-1] for span in spans), "spans that nobody wants")
    decodes = [values(span) for span in spans if span["name"] == "decode" and span["parentSpanId"] == by_id[told["several"][0]]["spanId"]]
    outcomes.expect(sorted(decode["jinx.choice"] for decode in decodes) == [0, 1, 2, 3] and sum(decode["jinx.tokens"] for decode in decodes) == told["several"][1]["completion_tokens"], f"decode of four choices: {decodes}")


def read_chrome(outcomes, path):
    """An array of complete events, and of rows' names; the events of a row nest. \returns the names of each row's events, by the row's name"""
    events = json.loads(path.read_text())
    names, rows = {}, {}
    for event in events:
        outcomes.expect(event["ph"] in ("X", "M") and isinstance(event["pid"], int) and isinstance(event["tid"], int), f"an event's form: {event}")
        if event["ph"] == "M":
            names[event["tid"]] = event["args"]["name"]
            continue
        outcomes.expect(isinstance(event["ts"], (int, float)) and event["dur"] >= 0 and event["name"] and event["tid"] in names, f"an event's form: {event}")
        rows.setdefault(event["tid"], []).append(event)
    slack = 0.01  # us: numbers are floats
    for row, held in rows.items():
        open_ends = []
        for event in sorted(held, key=lambda event: (event["ts"], -event["dur"])):
            end = event["ts"] + event["dur"]
            while open_ends and open_ends[-1] <= event["ts"] + slack:
                open_ends.pop()
            outcomes.expect(not open_ends or end <= open_ends[-1] + slack, f"{event['name']} of {names[row]} begins inside another event and ends behind it")
            open_ends.append(end)
    print(f"{len(events)} events of Chrome's in {len(rows)} rows")
    return {name: [event["name"] for event in rows.get(row, [])] for row, name in names.items()}


def check_chrome(outcomes, path, told):
    by_name = read_chrome(outcomes, path)
    for kind in ("one", "several", "chat", "gone"):
        choices = 4 if kind == "several" else 1
        found = [by_name.get(told[kind][0], []), *(by_name.get(f"{told[kind][0]} choice {choice}", []) for choice in range(choices))]
        outcomes.expect(sum(name.startswith(("text_completion ", "chat ")) for name in found[0]) == 1 and "prepare" in found[0], f"the row of {kind}: {found[0]}")
        outcomes.expect(all({"queue", "prefill", "decode"} <= set(row) for row in found[1:]), f"rows of {kind}: {found[1:]}")
    outcomes.expect("flush" in by_name[told["chat"][0]], "no writes of a stream")


def check_preempted(outcomes, options, plan, model, folder):
    """Few pages for many requests: those that begin again have spans that nest, too."""
    chrome = folder / "preempted.json"
    with Collector() as collector:
        begin_ns = time.time_ns()
        with Server(options.jinx, plan, model, "--pages", 18, "--max-running", 8, "--trace", chrome, "--otlp", collector.url) as server:
            ask = lambda i: server.post("/v1/completions", prompt=f"{i} times upon a time", max_tokens=70, ignore_eos=True)
            threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            outcomes.expect(server.metrics()["jinx_preemptions_total"] > 0, "nothing was preempted")
        by_name = read_chrome(outcomes, chrome)
        outcomes.expect(any("preempted" in row for row in by_name.values()), "no row has a preempted request")
        check_form(outcomes, collector.spans(), begin_ns, time.time_ns())
        outcomes.expect(any(span["name"] == "preempted" for span in collector.spans()), "no span of a preempted request")


def wait_for(server, name, least, seconds=15):
    end = time.monotonic() + seconds
    while (found := server.metrics())[name] < least and time.monotonic() < end:
        time.sleep(0.05)
    return found


def check_well(outcomes, options, served, folder):
    chrome = folder / "chrome.json"
    with Collector() as collector:
        begin_ns = time.time_ns()
        with Server(options.jinx, *served, "--otlp", collector.url, "--trace", chrome, "--budget", 64) as server:
            told = traffic(server)
            found = wait_for(server, "jinx_spans_exported_total", 20)
            outcomes.expect(found["jinx_spans_exported_total"] >= 20 and found["jinx_spans_dropped_total"] == found["jinx_span_export_failures_total"] == 0, f"figures: {found['jinx_spans_exported_total']}")
            outcomes.expect(server.end() == 0, "the exit status")
        spans = collector.spans()
        wholes = check_form(outcomes, spans, begin_ns, time.time_ns())
        check_requests(outcomes, spans, wholes, told)
        outcomes.expect(not collector.problems, f"requests of the exporter: {collector.problems}")
        print(f"{len(spans)} spans of {len(wholes)} requests in {len(collector.bodies)} batches")
    check_chrome(outcomes, chrome, told)


def check_refusing(outcomes, options, plan, model):
    """For now: tried again, and each span comes once. For good: not tried again."""
    with Collector([503, 429]) as collector, Server(options.jinx, plan, model, "--otlp", collector.url) as server:
        answer = server.post("/v1/completions", prompt="x", max_tokens=2)[1]
        found = wait_for(server, "jinx_spans_exported_total", 5)
        names = sorted(span["name"] for span in collector.spans())
        outcomes.expect(found["jinx_span_export_failures_total"] == 2 and found["jinx_spans_dropped_total"] == 0 and found["jinx_spans_exported_total"] == len(names), f"tried again: {found['jinx_span_export_failures_total']}")
        outcomes.expect(names == ["decode", "prefill", "prepare", "queue", f"text_completion {NAME}"], f"spans of {answer['id']}: {names}")
        outcomes.expect(collector.bodies[0][1] == collector.bodies[1][1] == collector.bodies[2][1], "another attempt is another batch")
    with Collector([400] * 100) as collector, Server(options.jinx, plan, model, "--otlp", collector.url) as server:
        server.post("/v1/completions", prompt="x", max_tokens=2)
        found = wait_for(server, "jinx_spans_dropped_total", 5)
        outcomes.expect(found["jinx_spans_dropped_total"] == 5 and found["jinx_spans_exported_total"] == 0 and found["jinx_span_export_failures_total"] == len(collector.bodies), f"refused for good: {len(collector.bodies)} bodies")


def check_away(outcomes, options, plan, model):
    """A collector that hangs, and none at all: requests are as fast as they are, and the server ends."""
    unused = socket.socket()
    unused.bind(("127.0.0.1", 0))  # bound and not listened on: nobody else is there
    nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with Collector(hangs=True) as collector:
        for what, url in (("hangs", collector.url), ("is not there", nowhere)):
            with Server(options.jinx, plan, model, "--otlp", url) as server:
                slowest = 0
                for i in range(6):
                    begin = time.monotonic()
                    status, _ = server.post("/v1/completions", prompt=f"Number {i}", max_tokens=2)
                    slowest = max(slowest, time.monotonic() - begin)
                    outcomes.expect(status == 200, f"a request while the collector {what}: {status}")
                found = wait_for(server, "jinx_span_export_failures_total", 1) if what == "is not there" else server.metrics()
                outcomes.expect(slowest < 2 and found["jinx_spans_exported_total"] == 0, f"the collector {what}: the slowest request took {slowest:.2f} s")
                outcomes.expect(what == "hangs" or found["jinx_span_export_failures_total"] >= 1, f"the collector {what}, and no attempt has failed")
                begin = time.monotonic()
                code = server.end()
                outcomes.expect(code == 0 and time.monotonic() - begin < 8, f"the collector {what}: the server ends with {code} after {time.monotonic() - begin:.1f} s")
    unused.close()


def check_options(outcomes, options, plan, model):
    runner = runner_of(options.jinx)
    for arguments, says in ((["--otlp", "https://127.0.0.1:4318"], "expected http://HOST:PORT"), (["--trace", "/nowhere/at/all"], "cannot write the trace"),
                            (["--replicas", "http://127.0.0.1:9", "--otlp", "http://127.0.0.1:4318"], "a router (--replicas) has none")):
        served = [] if "--replicas" in arguments else [plan, "--tokenizer", model]
        done = subprocess.run([runner, "serve", *served, "--port", "0", *arguments], capture_output=True, text=True, timeout=60)
        outcomes.expect(done.returncode != 0 and says in done.stderr, f"{arguments}: {done.returncode} {done.stderr!r}")


def check(outcomes, options, plan, model, folder):
    encoder, encoder_plan = encoder_folder(folder), folder / "minilm.jxp"
    subprocess.run([options.jinx, "compile", encoder, "-o", encoder_plan], check=True, capture_output=True)
    check_well(outcomes, options, (plan, model, "--embedding-model", encoder_plan, "--embedding-tokenizer", encoder / "tokenizer.json"), folder)
    check_preempted(outcomes, options, plan, model, folder)
    check_refusing(outcomes, options, plan, model)
    check_away(outcomes, options, plan, model)
    check_options(outcomes, options, plan, model)


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check))
