#!/usr/bin/env python3
"""Are our masks those of llguidance, token by token, and how long do they take?

Both walk along the same documents with the same tokenizer; masks must be equal at every token where both mean the same language: schemas and patterns of CASES are
such that they do. (llguidance is asked for no other white space than ours there: none.)

    peer_check.py DRIVER --tokenizer model.gguf --end ID [--speed]     --speed: times of masks and of compiling, beside llguidance's, one core
"""

import argparse
import json
import pathlib
import sys
import time

from driver import Driver, gguf_pieces

try:
    import llguidance
    import llguidance.numpy
    import numpy as np
except ImportError as error:
    print(f"skipped: no package {error.name}: run ./dev setup")
    sys.exit(77)

TEXT = {"type": "string"}
PERSON = {"type": "object", "properties": {"name": TEXT, "age": {"type": "integer"}, "tags": {"type": "array", "items": TEXT}, "email": {"type": ["string", "null"]}}, "required": ["name", "age", "tags", "email"], "additionalProperties": False}
PERSON_TEXT = '{"name":"Ada Lovelace é中","age":36,"tags":["mathematics","a \\"quote\\"","x"],"email":null}'
NESTED = {"$defs": {"n": {"type": "object", "properties": {"v": {"type": "number"}, "c": {"type": "array", "items": {"$ref": "#/$defs/n"}}}, "required": ["v", "c"], "additionalProperties": False}}, "$ref": "#/$defs/n"}
OPTIONAL = {"type": "object", "properties": {name: {"type": "integer"} for name in ("first", "second", "third", "fourth")}, "additionalProperties": False}
CHOICES = {"anyOf": [{"type": "object", "properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}}, "required": ["kind", "radius"], "additionalProperties": False},
                     {"type": "object", "properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"], "additionalProperties": False}]}  # fmt: skip
LONG = "The quick brown fox jumps over the lazy dog, and writes of it at some length: naïve café, 中文, tabs \\t and lines \\n. " * 4
STORY = {"type": "object", "properties": {"title": {"type": "string", "maxLength": 80}, "text": TEXT, "year": {"type": "integer", "minimum": 1, "maximum": 2100}, "kind": {"enum": ["tale", "news", "essay", "nothing"]}}, "required": ["title", "text", "year", "kind"], "additionalProperties": False}

# (kind, source, texts to walk along, whether the languages are equal)
CASES = {
    "person": ("json", PERSON, [PERSON_TEXT], True),
    "tree": ("json", NESTED, ['{"v":1.5,"c":[{"v":-2e5,"c":[]},{"v":0,"c":[{"v":3,"c":[]}]}]}'], True),
    "optional": ("json", OPTIONAL, ['{"first":1,"third":-30}', "{}", '{"fourth":12}'], True),
    "choices": ("json", CHOICES, ['{"kind":"circle","radius":1.25}', '{"kind":"square","side":100}'], True),
    "enum": ("json", {"enum": ["red", "green", "blue", 1, 12, None, True]}, ['"green"', "12", "null"], True),
    "pattern": ("json", {"type": "string", "pattern": "^[a-z]{2,5}-[0-9]+$"}, ['"abc-123"'], True),
    "list": ("json", {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4}, ["[true,false,true]"], True),
    "regex": ("regex", r"(foo|bar)+ [0-9]{3}-[a-f]*", ["foobarfoo 123-abc"], True),
    "words": ("regex", r"([A-Za-z]+ )*[A-Za-z]+\.", ["The quick brown fox."], True),
    "unicode": ("regex", r"[^a]{3,20}b?", ["xé中yz😀b"], True),
    "story": ("json", STORY, [json.dumps({"title": "A tale of foxes", "text": LONG, "year": 1999, "kind": "tale"}, ensure_ascii=False, separators=(",", ":"))], False),
    "any": ("any", "", [PERSON_TEXT, json.dumps({"a": [{"b": LONG}, {"c": [1, 2, [3]]}] * 3}, ensure_ascii=False, separators=(",", ":"))], False),
}  # fmt: skip


class Tokens:
    """What llguidance asks of a tokenizer."""

    def __init__(self, pieces, end):
        self.tokens, self.eos_token_id, self.bos_token_id = pieces, end, None
        self.special_token_ids = [token for token, piece in enumerate(pieces) if not piece]

    def __call__(self, text):
        text, tokens = text if isinstance(text, bytes) else text.encode(), []
        known = {piece: token for token, piece in enumerate(self.tokens) if piece} if not hasattr(self, "known") else self.known
        self.known = known
        while text:
            size = next(size for size in range(min(len(text), 40), 0, -1) if text[:size] in known)
            tokens.append(known[text[:size]])
            text = text[size:]
        return tokens


def peer_grammar(kind, source):
    if kind == "regex":
        return llguidance.LLMatcher.grammar_from_regex(source)
    schema = source if kind == "json" else {}
    return llguidance.LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"})


def peer_walk(tokenizer, grammar, tokens, size):
    """Masks, the bytes that are forced, and times at every prefix."""
    begin = time.perf_counter_ns()
    matcher = llguidance.LLMatcher(tokenizer, grammar)
    compiled = time.perf_counter_ns() - begin
    masks, forced, times = [], [], []
    bits = llguidance.numpy.allocate_token_bitmask(1, size)
    for token in [*tokens, None]:
        begin = time.perf_counter_ns()
        llguidance.numpy.fill_next_token_bitmask(matcher, bits)
        times.append(time.perf_counter_ns() - begin)
        assert not matcher.is_error(), matcher.get_error()
        masks.append(bits.tobytes()[: (size + 7) // 8])
        forced.append(matcher.compute_ff_bytes())
        if token is not None:
            begin = time.perf_counter_ns()
            assert matcher.consume_token(token), (token, matcher.get_error())
            times[-1] += time.perf_counter_ns() - begin
    return masks, forced, times, compiled / 1e6


def ids(mask):
    return set(np.flatnonzero(np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")).tolist())


def compare(name, ours, theirs, forced, tokens, pieces):
    """Messages. What may be ours alone: white space in JSON; U+007F in a string, which RFC 8259 allows; and where bytes are forced, tokens of fewer of
    them than llguidance takes at once."""
    is_json = CASES[name][0] != "regex"
    for at, (own, peer) in enumerate(zip(ours, theirs)):
        own, peer = ids(own), ids(peer)
        more = [token for token in own - peer if not (is_json and any(c in pieces[token] for c in b" \n\t\x7f")) and not forced[at].startswith(pieces[token])]
        if more or peer - own:
            yield f"{name} behind {b''.join(pieces[t] for t in tokens[:at])!r}: ours alone {[pieces[t] for t in more[:8]]}, theirs alone {[pieces[t] for t in sorted(peer - own)[:8]]}"


def figures(times):
    times = sorted(times)
    return f"{times[len(times) // 2] / 1e3:8.1f} us median {times[min(len(times) - 1, len(times) * 99 // 100)] / 1e3:9.1f} p99 {times[-1] / 1e3:9.1f} max"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--end", type=int, default=2)
    parser.add_argument("--speed", action="store_true")
    args = parser.parse_args()
    if not pathlib.Path(args.tokenizer).exists():
        print(f"skipped: no {args.tokenizer}: run ./dev models")
        return 77
    pieces = gguf_pieces(args.tokenizer)
    wrapper = Tokens(pieces, args.end)
    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(wrapper), n_vocab=len(pieces))
    driver = Driver(args.driver)
    driver.ask(tokenizer=args.tokenizer, end=[args.end])
    bad, masks_seen, all_ours, all_theirs = [], 0, [], []
    for name, (kind, source, texts, is_equal) in CASES.items():
        ms = driver.compile(kind, json.dumps(source) if kind == "json" else source)
        for text in texts:
            tokens = wrapper(text)
            answer = driver.ask(walk=tokens, masks=True)
            masks = [bytes.fromhex(mask)[: (len(pieces) + 7) // 8] for mask in answer["masks"]]
            theirs, forced, times, peer_ms = peer_walk(tokenizer, peer_grammar(kind, source), tokens, len(pieces))
            masks_seen += len(masks)
            all_ours += answer["ns"]
            all_theirs += times
            if is_equal:
                bad += list(compare(name, masks, theirs, forced, tokens, pieces))[:3]
            if args.speed:
                print(f"{name:9} {len(tokens):4} tokens  ours {figures(answer['ns'])}, compiled in {ms:.2f} ms")
                print(f"{'':9} {'':4}         peer {figures(times)}, compiled in {peer_ms:.2f} ms")
    print(*bad, sep="\n")
    print(f"all: ours {figures(all_ours)}\n     peer {figures(all_theirs)}\n{masks_seen} masks, {len(bad)} differ from llguidance {llguidance.__version__}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
