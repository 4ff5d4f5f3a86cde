#!/usr/bin/env python3
"""Does each feature of the subset, and do random templates made of them, write what jinja2 writes?

    features_check.py [--program build/dev/tests/chat/jinx_render_chat] [--random 20000] [--seed 1]
"""

import argparse
import random
import sys

try:
    from jinja_oracle import Renderer, rendered, root, text_of
except ImportError as error:
    print(f"skipped: {error}: run ./dev setup")
    sys.exit(77)
import random_templates
from features import CONTEXT, sources

# What Python has and we have not: texts of objects that name Python's own types or addresses; integers past 64 bits.
NOT_OURS = ("<generator", "<built-in", "<bound method", "<Macro", "<macro", "<function", "<dict_", "<reversed", "<list_reverse", " object at 0x", "<class", "<Namespace", "<LoopContext", "<map object", "<method", "Markup('")
OUR_LIMITS = ("64 bits", "a negative number has no such power", "is not known", "there is no filter", "there is no test", "format takes {}")


def compare(source, answer, context):
    """None where both agree; "skipped"; or what differs."""
    wanted, error = rendered(source, context)
    got = text_of(answer)
    if answer.get("code") in ("crash", "internal"):
        return f"{source!r}: {answer['error']}"
    if wanted is None:
        return None if got is None else f"{source!r}: got {got!r}, jinja2 refuses: {error}"
    if any(sign.lower() in wanted.lower() for sign in NOT_OURS) or (got is None and any(sign in answer["error"] for sign in OUR_LIMITS)):
        return "skipped"
    if got is None:
        return f"{source!r}: {answer['error']}; jinja2 has {wanted!r}"
    return None if got == wanted else f"{source!r}:\n  got    {got!r}\n  jinja2 {wanted!r}"


def check(what, renderer, templates, show=20):
    answers = renderer.ask([{"template": source, "context": CONTEXT} for source in templates])
    told = [compare(source, answer, CONTEXT) for source, answer in zip(templates, answers)]
    failures = [one for one in told if one not in (None, "skipped")]
    print(*failures[:show], sep="\n")
    refused = sum("error" in answer for answer in answers)
    print(f"{what}: {len(templates)} templates, {len(failures)} differ, {told.count('skipped')} are Python's own, {refused} are refused")
    return len(failures)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(root() / "build" / "dev" / "tests" / "chat" / "jinx_render_chat"))
    parser.add_argument("--random", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    renderer = Renderer(options.program)
    failures = check("features", renderer, sources())
    rng = random.Random(options.seed)
    failures += check("random", renderer, [random_templates.template(rng) for _ in range(options.random)])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
