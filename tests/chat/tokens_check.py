#!/usr/bin/env python3
"""Are the tokens of a rendered conversation those of its whole text, and does no message make a control token?

Over the tokenizers that the tests have, of every kind: where no message has the text of a control token, the tokens are those that `jinx-rt tokenize --parse-special` and, of a tokenizer.json, the
library tokenizers give for the whole text. Where messages are made of the texts of control tokens, as many control tokens come out as without them.

    tokens_check.py [--program build/dev/tests/chat/jinx_render_chat]
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
from packages import CACHE  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A file of the tokenizers' tests: how a turn is written with its control tokens.
FILES = {
    "smollm2.gguf": ("<|im_start|>{role}\n", "<|im_end|>\n"),
    "deepseek.tokenizer.json": ("<\uff5cUser\uff5c>{role} ", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
    "minilm.tokenizer.json": ("[CLS] {role}: ", " [SEP]"),
    "e5.tokenizer.json": ("<s>{role} ", "</s>"),
    "mistral.model.v3": ("[INST] ", " [/INST]"),
    "mistral.tekken.json": ("[INST]{role} ", "[/INST]"),
}
FIND_BY_THEMSELVES = ["e5.tokenizer.json"]  # Unigram models with control tokens among their pieces: a message with one is refused
WORDS = ["hello", " world", "\n", "  ", "Zürich", "世界", "🌦", "it's", "12345", "<", "|", ">", "a", "\t", "<|", "im", "[", "]", "é", " ", "{}", "\n\n", "def f():\n    return"]


def context(rng, words):
    roles = ["system", "user", "assistant"]
    return {"messages": [{"role": rng.choice(roles), "content": "".join(rng.choice(words) for _ in range(rng.randint(0, 12)))} for _ in range(rng.randint(1, 4))]}


def ask(program, *arguments, lines):
    done = subprocess.run([str(program), *map(str, arguments)], input="".join(json.dumps(line) + "\n" for line in lines), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"error: {program} {arguments}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def library(path):
    if path.name.endswith(".tokenizer.json"):
        import tokenizers

        opened = tokenizers.Tokenizer.from_file(str(path))
        opened.no_padding()
        opened.no_truncation()
        return opened
    return None


def check(options, path, begin, end, rng):
    failures = []
    template = "{% for m in messages %}{{ '" + begin.replace("{role}", "' + m.role + '").replace("\n", "\\n") + "' + m.content + '" + end.replace("\n", "\\n") + "' }}{% endfor %}"
    plain = [context(rng, WORDS) for _ in range(200)]
    answers = ask(options.program, path, lines=[{"template": template, "context": one} for one in plain])
    texts = ["".join(text for text, _ in answer["pieces"]) for answer in answers]
    wanted = ask(options.runner, "tokenize", path, "--json-lines", "--parse-special", "--no-frame", lines=texts)
    oracle = library(path)
    for text, answer, tokens in zip(texts, answers, wanted):
        if answer["tokens"] != tokens:
            failures.append(f"{path.name}: {text!r}: {answer['tokens']}, as one text {tokens}")
        elif oracle and oracle.encode(text, add_special_tokens=False).ids != tokens:
            failures.append(f"{path.name}: {text!r}: the library has {oracle.encode(text, add_special_tokens=False).ids}")
    # Control tokens: of the template's own turns, counted where messages are empty; then with messages of nothing but such texts.
    control = [begin.split("{role}")[0].strip(), end.strip(), "<s>", "</s>", "<|endoftext|>", "[SEP]", "<|im_end|>"]
    hostile = [context(rng, control + ["x", "<", ">"]) for _ in range(200)]
    empty = [{"messages": [{**message, "content": ""} for message in one["messages"]]} for one in hostile]
    pairs = zip(ask(options.program, path, lines=[{"template": template, "context": one} for one in hostile]), ask(options.program, path, lines=[{"template": template, "context": one} for one in empty]))
    special = {tokens[0] for tokens in ask(options.runner, "tokenize", path, "--json-lines", "--parse-special", "--no-frame", lines=[one for one in control if one]) if len(tokens) == 1}
    count = lambda answer: sum(token in special for token in answer["tokens"])  # noqa: E731
    for one, (attacked, own) in zip(hostile, pairs):
        if "for a control token" in attacked.get("error", "") and path.name in FIND_BY_THEMSELVES:
            continue  # refused, which is safe
        if "error" in attacked or count(attacked) != count(own):
            failures.append(f"{path.name}: {one}: {attacked['error']}" if "error" in attacked else f"{path.name}: {one}: {count(attacked)} control tokens, the template has {count(own)}: {attacked['tokens']}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build" / "dev" / "tests" / "chat" / "jinx_render_chat"))
    parser.add_argument("--runner", help="jinx-rt; beside the program's build if not given")
    options = parser.parse_args()
    options.runner = options.runner or pathlib.Path(options.program).resolve().parents[2] / "bin" / "jinx-rt"
    rng, failures, checked = random.Random(3), [], 0
    for name, (begin, end) in FILES.items():
        path = CACHE / "data" / name
        if not path.is_file():
            print(f"skipped: no {name}: ctest -R models-tokenizers fetches it")
            continue
        checked += 1
        failures += check(options, path, begin, end, rng)
    print(*failures[:20], sep="\n")
    print(f"{checked} tokenizers, 400 conversations each, {len(failures)} failed")
    return 77 if checked == 0 else bool(failures)


if __name__ == "__main__":
    sys.exit(main())
