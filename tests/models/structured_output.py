#!/usr/bin/env python3
"""Is what SmolLM2 writes under a schema, a pattern or a grammar what was asked for, whatever way it takes?

The most probable tokens under each schema parse and validate (the package jsonschema judges), under each pattern `re` matches the text, under a grammar a function here
does. Then the same tokens with drafts, in a batch of all its prompts, with another budget of tokens a step, and drawn at a temperature twice. What cannot be is
refused before a model is compiled.

    structured_output.py [--jinx build/dev/bin/jinx]
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from generate import Run
from jinx_capi import ROOT
from packages import Missing, data

PROMPTS = ["A person as JSON: ", "The capital of France is", "List three colors.\n"]
TEXT = {"type": "string", "maxLength": 40}
SCHEMAS = {
    "person": {"type": "object", "properties": {"name": TEXT, "age": {"type": "integer", "minimum": 0, "maximum": 130}, "married": {"type": "boolean"}}, "required": ["name", "age", "married"], "additionalProperties": False},
    "optional": {"type": "object", "properties": {"city": TEXT, "country": {"enum": ["France", "Spain", "Italy"]}, "since": {"type": "string", "format": "date"}}, "additionalProperties": False},
    "list": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 3, "maxItems": 3},
    "tree": {"$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer", "maximum": 99, "minimum": 0}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]}}, "required": ["v", "next"], "additionalProperties": False}}, "$ref": "#/$defs/n"},
    "choice": {"anyOf": [{"type": "object", "properties": {"kind": {"const": "yes"}}, "required": ["kind"], "additionalProperties": False}, {"type": "object", "properties": {"kind": {"const": "no"}, "why": TEXT}, "required": ["kind", "why"], "additionalProperties": False}]},
    "uuid": {"type": "string", "format": "uuid"},
}  # fmt: skip
PATTERNS = [r"(Paris|London|Rome)\.", r"\d{3}-\d{4}", r"[A-Z][a-z]{2,8}( [a-z]{2,8}){3}!"]
GRAMMAR = 'root ::= item ("," item){2,4} "."\nitem ::= " "? [a-z]{3,8}\n'


def is_list(text):
    items = text.removesuffix(".").split(",")
    return text.endswith(".") and 3 <= len(items) <= 5 and all(3 <= len(item.removeprefix(" ")) <= 8 and item.removeprefix(" ").isalpha() and item.islower() for item in items)


def answer(run, plan, model, prompt, *arguments):
    done = run.generate(plan, "--tokenizer", model, "--prompt", prompt, "--max-tokens", 160, *arguments, program=run.runner)
    if done.returncode:
        run.outcome(False, f"{arguments} behind {prompt!r}: {done.stderr}")
    return done.stdout.removesuffix("\n")


def check_ways(run, plan, model, folder, wanted, *grammar):
    """The same texts with drafts, in small steps, and all at once."""
    for prompt, text in zip(PROMPTS, wanted):
        for way in (["--drafts", 4], ["--budget", 3]):
            other = answer(run, plan, model, prompt, *grammar, *way)
            run.outcome(other == text, f"{grammar} behind {prompt!r} with {way}: {other!r}, expected {text!r}")
    file = folder / "asked.jsonl"
    file.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in PROMPTS))
    done = run.generate(plan, "--tokenizer", model, "--batch", file, "--max-tokens", 160, *grammar, program=run.runner)
    answers = {line["index"]: line["text"] for line in map(json.loads, done.stdout.splitlines())}
    run.outcome([answers.get(i) for i in range(len(PROMPTS))] == wanted, f"{grammar} all at once: {answers} {done.stderr}, expected {wanted}")


def check_schemas(run, plan, model, folder):
    import jsonschema

    for name, schema in SCHEMAS.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(schema))
        wanted = []
        for number, prompt in enumerate(PROMPTS):
            for drawn in ([], ["--temperature", 1, "--seed", 7 + number]):
                text = answer(run, plan, model, prompt, "--json-schema", file, *drawn)
                if not drawn:
                    wanted.append(text)
                try:
                    value = json.loads(text)
                    run.outcome(jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).is_valid(value), f"{name} behind {prompt!r}: {text!r} is not valid")
                except ValueError:
                    # A list may go on for longer than was asked for; then it is cut off.
                    run.outcome(name == "tree" and text.startswith("{"), f"{name} behind {prompt!r}: {text!r} is no JSON")
        check_ways(run, plan, model, folder, wanted, "--json-schema", file)


def check(run, model, folder):
    plan = folder / "model.jxp"
    done = subprocess.run([run.jinx, "compile", model, "-o", plan], capture_output=True, text=True)
    run.outcome(done.returncode == 0, f"compile: {done.stderr}")
    try:
        check_schemas(run, plan, model, folder)
    except ImportError:
        print("skipped: schemas, no package jsonschema: run ./dev setup")
    for pattern in PATTERNS:
        wanted = [answer(run, plan, model, prompt, "--regex", pattern) for prompt in PROMPTS]
        for text in wanted:
            run.outcome(re.fullmatch(pattern, text), f"{text!r} does not match {pattern}")
        check_ways(run, plan, model, folder, wanted, "--regex", pattern)
    file = folder / "list.gbnf"
    file.write_text(GRAMMAR)
    wanted = [answer(run, plan, model, prompt, "--grammar", file) for prompt in PROMPTS]
    for text in wanted:
        run.outcome(is_list(text), f"{text!r} is not of the grammar")
    check_ways(run, plan, model, folder, wanted, "--grammar", file)

    more = ["--tokenizer", model, "--prompt", "a"]
    run.refused("a pattern", "lookaround is not supported", plan, *more, "--regex", "(?=a)", program=run.runner)
    bad = folder / "bad.json"
    bad.write_text('{"properties": {"a": {"not": {}}}}')
    run.refused("a schema", "bad.json: schema: #/properties/a: not is not supported", plan, *more, "--json-schema", bad, program=run.runner)
    run.refused("a file that is not there", "cannot read", plan, *more, "--grammar", folder / "nothing", program=run.runner)
    run.refused("two of them", "excludes", plan, *more, "--regex", "a", "--grammar", file, program=run.runner)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jinx", default=str(ROOT / "build/dev/bin/jinx"))
    parser.add_argument("--runner", help="jinx-rt, where it is not beside jinx")
    args = parser.parse_args()
    try:
        model = data("smollm2.gguf")
    except Missing as error:
        print(f"skipped: {error}")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        run = Run(args.jinx, pathlib.Path(folder) / "cache")
        run.runner = args.runner or run.runner
        check(run, model, pathlib.Path(folder))
    print(*run.failures, f"{run.count - len(run.failures)} passed, {len(run.failures)} failed", sep="\n")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
