#!/usr/bin/env python3
"""llama.cpp, told what to do line by line: bench.py starts this with an interpreter that has llama-cpp-python.

    peer.py MODEL THREADS FLASH        FLASH 1: its fused attention

Reads "prefill PROMPT_JSON", "decode PROMPT_JSON COUNT", "batch PROMPTS_JSON COUNT" (arrays of tokens); answers a line of JSON: seconds, and the tokens. The calls are
those of its C interface, and the most probable token is numpy's argmax: nothing of the Python package is in the time but a call a step.
"""

import ctypes
import json
import sys
import time

import llama_cpp as lib
import numpy as np


class Peer:
    def __init__(self, path, threads, flash):
        lib.llama_backend_init()
        self.log = lib.llama_log_callback(lambda level, text, data: None)
        lib.llama_log_set(self.log, ctypes.c_void_p(0))
        self.model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        options = lib.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch, options.n_seq_max = 4096, 512, 512, 8
        options.n_threads = options.n_threads_batch = threads
        options.flash_attn_type = 1 if flash else 0
        options.kv_unified = True
        self.context = lib.llama_init_from_model(self.model, options)
        self.vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(512, 0, 1)

    def step(self, tokens):
        """(token, position, sequence, wanted) -> the most probable token behind each that is wanted."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, (token, position, sequence, wanted) in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, wanted
            batch.seq_id[i][0] = sequence
        if lib.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        return [int(np.ctypeslib.as_array(lib.llama_get_logits_ith(self.context, i), (self.vocabulary,)).argmax()) for i, token in enumerate(tokens) if token[3]]

    def run(self, prompts, count):
        """All prompts at once, then a token of each a step. Seconds to the first tokens, seconds of the rest, tokens."""
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        start = time.perf_counter()
        next_ = self.step([(token, at, s, at == len(prompt) - 1) for s, prompt in enumerate(prompts) for at, token in enumerate(prompt)])
        first, found = time.perf_counter(), [[token] for token in next_]
        for i in range(count - 1):
            next_ = self.step([(token, len(prompts[s]) + i, s, True) for s, token in enumerate(next_)])
            for s, token in enumerate(next_):
                found[s].append(token)
        return {"first": first - start, "rest": time.perf_counter() - first, "tokens": found}


def main():
    start = time.perf_counter()
    peer = Peer(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1")
    peer.run([[1, 2, 3]], 1)
    print(json.dumps({"start": time.perf_counter() - start, "version": lib.__version__, "system": lib.llama_print_system_info().decode()}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(peer.run(asked["prompts"], asked["count"])), flush=True)


if __name__ == "__main__":
    main()
