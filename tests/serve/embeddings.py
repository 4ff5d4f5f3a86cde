#!/usr/bin/env python3
"""Does /v1/embeddings give the vectors of MiniLM-L6, to OpenAI's own Python client, and keep out of the way of everything else?

The encoder alone (`jinx serve --embedding-model FOLDER`, which compiles it) and as a plan beside SmolLM2 (`jinx-rt serve`). Vectors are judged by onnxruntime over the model of
minilm.py, with tokens of Hugging Face's library: nothing of Jinx is in either. Every form of input, both encodings, fewer dimensions, usage, bad requests with the status and the
field that their refusal must name, keys, a full queue, clients that leave, figures; a large request while texts are streamed; and a server that ends while it answers.

    embeddings.py --jinx build/dev/bin/jinx
"""

import base64
import json
import signal
import socket
import subprocess
import sys
import threading
import time

from server import NAME, Server, data, main_over_model, runner_of

try:
    import numpy as np
    import onnxruntime
    import openai
    import minilm
    from tokenizers import Tokenizer

    MISSING = None
except ImportError as missing:
    MISSING = f"{missing}: run ./dev setup"

ENCODER = "minilm"
WIDTH, CONTEXT = 384, 512
CONFIG = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": WIDTH, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 12, "vocab_size": 30522,
          "max_position_embeddings": CONTEXT, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}  # fmt: skip
TEXTS = ["A man is playing a guitar.", "Someone is strumming a guitar.", "It is so sunny outside!", "x", "Üben macht 中文 den Meister \U0001f600", "the quick brown fox " * 60]
TOLERANCE = 1e-5  # as huggingface_model.py asks of embeddings


class Oracle:
    """MiniLM's ONNX form in onnxruntime; a text at a time, so that nothing is padded."""

    def __init__(self):
        self.tokenizer = Tokenizer.from_file(str(data("minilm.tokenizer.json")))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.session = onnxruntime.InferenceSession(str(minilm.cached()), providers=["CPUExecutionProvider"])

    def tokens(self, text):
        return self.tokenizer.encode(text).ids

    def vector(self, tokens, size=WIDTH):
        ids = np.int64([tokens])
        full = self.session.run(["embedding"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0].astype(np.float64)[:size]
        return full / np.linalg.norm(full)


def encoder_folder(folder):
    path = folder / ENCODER
    path.mkdir()
    (path / "model.safetensors").symlink_to(data("minilm.safetensors"))
    (path / "tokenizer.json").symlink_to(data("minilm.tokenizer.json"))
    (path / "config.json").write_text(json.dumps(CONFIG))
    return path


def check_vectors(client, outcomes, oracle):
    tokens = [oracle.tokens(text) for text in TEXTS]
    for what, given, wanted in (("a text", TEXTS[0], tokens[:1]), ("texts", TEXTS, tokens), ("tokens", tokens[1], tokens[1:2]), ("arrays of tokens", tokens, tokens)):
        for options in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}, {"dimensions": 100}, {"dimensions": 1, "encoding_format": "float"}):
            got = client.embeddings.create(model=ENCODER, input=given, user="somebody", **options)
            size = options.get("dimensions", WIDTH)
            vectors = [np.frombuffer(base64.b64decode(item.embedding), "<f4") if options.get("encoding_format") == "base64" else np.float64(item.embedding) for item in got.data]
            error = max((np.abs(vector - oracle.vector(ids, size)).max() for vector, ids in zip(vectors, wanted) if len(vector) == size), default=1)
            outcomes.expect(error <= TOLERANCE, f"{what} {options}: off by {error:.2e}, at most {TOLERANCE} is expected")
            shape = [len(vector) for vector in vectors] == [size] * len(wanted) and [item.index for item in got.data] == list(range(len(wanted)))
            outcomes.expect(shape and got.model == ENCODER and got.object == "list", f"{what} {options}: the form of the answer")
            count = sum(map(len, wanted))
            outcomes.expect((got.usage.prompt_tokens, got.usage.total_tokens) == (count, count), f"{what} {options}: {got.usage}, expected {count} tokens")
    many = [f"Text number {i} " + "of many " * (i % 13) for i in range(300)]
    got = client.embeddings.create(model=ENCODER, input=many)
    error = max(np.abs(np.float64(got.data[i].embedding) - oracle.vector(oracle.tokens(many[i]))).max() for i in range(0, len(many), 23))
    outcomes.expect(error <= TOLERANCE and len(got.data) == len(many), f"300 texts: off by {error:.2e}")


# (what is wrong, body, status, what the message says, field)
TABLE = [
    ("no input", {}, 400, "input is missing", "input"),
    ("null", {"input": None}, 400, "input is missing", "input"),
    ("a number", {"input": 5}, 400, "expected text, tokens", "input"),
    ("an object", {"input": {}}, 400, "expected text, tokens", "input"),
    ("nothing", {"input": []}, 400, "expected text, tokens", "input"),
    ("an empty text", {"input": ""}, 400, "empty text", "input"),
    ("an empty text among others", {"input": ["a", ""]}, 400, "empty text", "input"),
    ("no tokens", {"input": [[]]}, 400, "no tokens", "input"),
    ("negative tokens", {"input": [-1]}, 400, "expected a token below", "input"),
    ("tokens that are none", {"input": [[5], [30522]]}, 400, "expected a token below 30522", "input"),
    ("fractions", {"input": [1.5]}, 400, "expected a token below", "input"),
    ("nested too deep", {"input": [[[1]]]}, 400, "expected a token below", "input"),
    ("texts and tokens", {"input": ["a", 5]}, 400, "expected text or tokens", "input"),
    ("too many texts", {"input": ["a"] * 2049}, 400, "at most 2048", "input"),
    ("a long text", {"input": ["a", "a " * CONTEXT]}, 400, "text 1 of input has 514 tokens", "input"),
    ("many tokens", {"input": [[5] * CONTEXT] * 600}, 400, "at most 300000", "input"),
    ("dimensions are 0", {"input": "a", "dimensions": 0}, 400, "dimensions is 0", "dimensions"),
    ("dimensions are many", {"input": "a", "dimensions": WIDTH + 1}, 400, "from 1 to 384", "dimensions"),
    ("dimensions are text", {"input": "a", "dimensions": "8"}, 400, "expected an integer", "dimensions"),
    ("another encoding", {"input": "a", "encoding_format": "hex"}, 400, "expected float or base64", "encoding_format"),
    ("an unknown field", {"input": "a", "truncate": True}, 400, "no field", "truncate"),
    ("another model", {"input": "a", "model": "gpt-9"}, 404, "no model", "model"),
]


def check_refusals(server, outcomes):
    for what, body, status, says, field in TABLE:
        got, _, answer = server.ask("POST", "/v1/embeddings", body)
        error = json.loads(answer).get("error", {})
        outcomes.expect(got == status and says in str(error.get("message")) and error.get("param") == field, f"{what}: {got} {answer[:300]!r}, expected {status}, {says!r}, {field}")
    outcomes.expect(server.ask("GET", "/v1/embeddings")[0] == 405, "GET of embeddings")


def check_alone(outcomes, options, encoder, oracle):
    with Server(options.jinx, None, None, "--embedding-model", encoder, program="jinx") as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        check_vectors(client, outcomes, oracle)
        check_refusals(server, outcomes)
        outcomes.expect([model.id for model in client.models.list()] == [ENCODER], "the list of models")
        for path, body in (("/v1/completions", {"prompt": "x"}), ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})):
            status, _, answer = server.ask("POST", path, body)
            outcomes.expect(status == 404 and b"no language model" in answer, f"{path} of an encoder: {status} {answer!r}")
        got = server.post("/tokenize", prompt=TEXTS[0])[1]
        outcomes.expect(got["tokens"] == oracle.tokens(TEXTS[0]) and got["max_model_len"] == CONTEXT, f"tokens of the encoder: {got}")
        found = server.metrics()
        outcomes.expect(found['jinx_embedding_requests_total{outcome="answered"}'] == 21 and found["jinx_embedding_texts_total"] == 370, f"figures: {found}")
        outcomes.expect(found["jinx_embedding_seconds_count"] == 21 and found["jinx_embedding_requests_open"] == 0, "figures of time")
        client.close()
        outcomes.expect(server.end() == 0, "the server of an encoder ends with an error")


def large_request(texts=400):
    body = json.dumps({"input": ["the quick brown fox jumps over the lazy dog " * 20 + str(i) for i in range(texts)], "encoding_format": "base64"}).encode()
    return b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def begun(server):
    """A large request whose first texts run."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=120)
    connection.sendall(large_request())
    end = time.monotonic() + 20
    while server.metrics()["jinx_embedding_requests_open"] == 0 and time.monotonic() < end:
        time.sleep(0.02)
    return connection


def check_beside(outcomes, server, oracle):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    outcomes.expect([model.id for model in client.models.list()] == [NAME, ENCODER], "the list of both models")
    outcomes.expect(server.post("/tokenize", prompt=TEXTS[0], model=ENCODER)[1]["tokens"] == oracle.tokens(TEXTS[0]), "tokens of the encoder by its name")
    alone = client.completions.create(model=NAME, prompt="The capital of France is", max_tokens=16, temperature=0).choices[0].text
    connection = begun(server)
    # While its texts run, a check, a text, and vectors of somebody else are answered.
    begin = time.monotonic()
    outcomes.expect(server.ask("GET", "/health")[0] == 200, "health beside a large request")
    health = time.monotonic() - begin
    text = client.completions.create(model=NAME, prompt="The capital of France is", max_tokens=16, temperature=0).choices[0].text
    vector = client.embeddings.create(model=ENCODER, input=TEXTS[0]).data[0].embedding
    others = time.monotonic() - begin
    still = server.metrics()["jinx_embedding_requests_open"]
    outcomes.expect(text == alone and np.abs(np.float64(vector) - oracle.vector(oracle.tokens(TEXTS[0]))).max() <= TOLERANCE, "answers beside a large request")
    outcomes.expect(still == 1 and health < 1, f"a large request holds up others: health took {health:.2f} s, a text and a vector {others:.2f} s")
    # Its client leaves.
    connection.close()
    end = time.monotonic() + 10
    while (found := server.metrics())['jinx_embedding_requests_total{outcome="disconnected"}'] == 0 and time.monotonic() < end:
        time.sleep(0.02)
    outcomes.expect(found['jinx_embedding_requests_total{outcome="disconnected"}'] == 1 and found["jinx_embedding_requests_open"] == 0, "a client that left is not seen")
    print(f"beside a large request: health {health * 1e3:.1f} ms; a text and a vector {others:.2f} s")
    client.close()
    server.rest()


def check_queue_and_end(outcomes, options, beside):
    """One that runs and one that waits; the third is refused. Then the server is told to end, and answers both."""
    with Server(options.jinx, *beside, "--max-waiting", 2, "--drain", 60) as server:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(server.post("/v1/embeddings", input=["many words " * 100] * 60))) for _ in range(2)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 20
        while server.metrics()["jinx_embedding_requests_open"] < 2 and time.monotonic() < end:
            time.sleep(0.01)
        status, headers, answer = server.ask("POST", "/v1/embeddings", {"input": "x"})
        outcomes.expect(status == 429 and int(headers.get("Retry-After", 0)) >= 1 and b"rate_limit" in answer, f"a full queue: {status} {headers} {answer!r}")
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(60)
        outcomes.expect([(status, len(answer.get("data", []))) for status, answer in answers] == [(200, 60)] * 2, f"drained: {[status for status, _ in answers]}")
        outcomes.expect(server.process.wait(30) == 0, "the exit status after draining")
    with Server(options.jinx, *beside, "--drain", 0) as server:
        connection = begun(server)
        server.process.send_signal(signal.SIGTERM)
        got = b""
        while part := connection.recv(65536):
            got += part
        outcomes.expect(got.startswith(b"HTTP/1.1 503") and b"about to end" in got, f"a large request when the server ends at once: {got[:200]!r}")
        outcomes.expect(server.process.wait(30) == 0, "the exit status of an end at once")


def check_keys(outcomes, options, beside, folder):
    keys = folder / "keys"
    keys.write_text("sk-alice-0001 alice 2\n")
    with Server(options.jinx, *beside, "--api-key-file", keys) as server:
        outcomes.expect(server.ask("POST", "/v1/embeddings", {"input": "x"})[0] == 401, "embeddings without a key")
        outcomes.expect(server.ask("POST", "/v1/embeddings", {"input": "x"}, {"Authorization": "Bearer sk-alice-0001"})[0] == 200, "embeddings with a key")


def check_options(outcomes, options, plan, model, encoder, encoder_plan):
    """Commands that cannot be."""
    runner = runner_of(options.jinx)
    tokenizer = encoder / "tokenizer.json"
    for arguments, says in (
        ([], "no --embedding-model"),
        (["--embedding-model", encoder_plan], "expected --embedding-tokenizer"),
        (["--embedding-tokenizer", tokenizer, plan, "--tokenizer", model], "about --embedding-model"),
        ([encoder_plan, "--tokenizer", tokenizer], "is an encoder: pass it as --embedding-model"),
        (["--embedding-model", plan, "--embedding-tokenizer", model], "is no encoder"),
        (["--embedding-model", encoder_plan, "--embedding-tokenizer", model], "tokens, and"),
        ([plan, "--tokenizer", model, "--name", "x", "--embedding-model", encoder_plan, "--embedding-tokenizer", tokenizer, "--embedding-name", "x"], "both models are called"),
        (["--replicas", "http://127.0.0.1:9", "--embedding-model", encoder_plan], "takes no model"),
    ):
        done = subprocess.run([runner, "serve", "--port", "0", *arguments], capture_output=True, text=True, timeout=60)
        outcomes.expect(done.returncode != 0 and says in done.stderr, f"serve {arguments}: {done.returncode} {done.stderr!r}, expected {says!r}")


def check(outcomes, options, plan, model, folder):
    encoder, oracle = encoder_folder(folder), Oracle()
    check_alone(outcomes, options, encoder, oracle)
    encoder_plan = folder / "minilm.jxp"
    subprocess.run([options.jinx, "compile", encoder, "-o", encoder_plan], check=True, capture_output=True)
    beside = (plan, model, "--embedding-model", encoder_plan, "--embedding-tokenizer", encoder / "tokenizer.json")
    with Server(options.jinx, *beside) as server:
        check_beside(outcomes, server, oracle)
        outcomes.expect(server.end() == 0, "the exit status of both")
    check_queue_and_end(outcomes, options, beside)
    check_keys(outcomes, options, beside, folder)
    check_options(outcomes, options, plan, model, encoder, encoder_plan)


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check, needs=MISSING))
