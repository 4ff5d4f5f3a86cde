#!/usr/bin/env python3
"""Do patterns accept what Python's `re` accepts? Random patterns and texts over a small alphabet, with characters of every length in UTF-8.

For each pattern: full match of random texts and of texts made from the pattern, and for each text how far it may go on: a prefix is viable when some text
of those that match begins with it.

    regex_check.py DRIVER [--cases 1500] [--seed 1]
"""

import argparse
import random
import re
import sys

from driver import Driver, Refused

LETTERS = "ab0_ \n-é中😀"
ATOMS = ["a", "b", "0", "é", "中", "😀", r"\.", r"\-", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[ab]", "[^a]", "[a-z0-9]", r"[^\d]", r"[\w-]", "[é-中]", "[^é😀]", r"\u00e9", r"\x61", r"[\n b]", "_", r"\n"]


def pattern(rng, depth):
    kind = rng.random()
    if depth == 0 or kind < 0.35:
        return rng.choice(ATOMS)
    if kind < 0.6:
        return "".join(pattern(rng, depth - 1) for _ in range(rng.randint(1, 3)))
    if kind < 0.75:
        return "(?:" + "|".join(pattern(rng, depth - 1) for _ in range(rng.randint(1, 3))) + ")"
    group = rng.choice(["(?:%s)", "(%s)", "(?P<g%d>%%s)" % rng.randrange(10**9)]) % pattern(rng, depth - 1)
    return group + rng.choice(["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "+?", "??"])


def mutated(rng, text):
    letters = list(text)
    for _ in range(rng.randint(0, 2)):
        at = rng.randint(0, len(letters))
        letters[at : at + rng.randint(0, 1)] = rng.choice(["", rng.choice(LETTERS)])
    return "".join(letters)


def texts_of(rng, count):
    return ["".join(rng.choice(LETTERS) for _ in range(rng.randint(0, 6))) for _ in range(count)]


def check(driver, rng, cases):
    bad = matched = seen = 0
    while seen < cases:
        source = pattern(rng, 3)
        source = rng.choice(["%s", "%s", "^%s$", "^(?:%s)", "%s$"]) % source
        oracle = re.compile(source, re.ASCII)
        try:
            driver.compile("regex", source)
        except Refused as error:
            if "anchor" in str(error):
                continue  # ^a|b$: an anchor of one alternative
            print(f"{source!r} is refused: {error}")
            bad += 1
            continue
        seen += 1
        texts = texts_of(rng, 30)
        texts += [mutated(rng, text) for text in texts if oracle.fullmatch(text)]
        for text, (length, complete) in zip(texts, driver.match(texts)):
            wanted = oracle.fullmatch(text) is not None
            matched += wanted
            if complete != wanted or (complete and length != len(text.encode())):
                print(f"{source!r} on {text!r}: {complete}, expected {wanted}")
                bad += 1
            # What is not viable is the beginning of no text that matches.
            rejected = text.encode()[: length + 1] if length < len(text.encode()) else None
            bad += sum(oracle.fullmatch(other) is not None and rejected is not None and other.encode().startswith(rejected) for other in texts)
    return bad, seen, matched


def check_viable(driver, rng, cases):
    """Every prefix that is viable leads to a whole text: short ones are found by trying."""
    bad = tried = 0
    for _ in range(cases):
        source = pattern(rng, 2)
        try:
            driver.compile("regex", source)
        except Refused:
            continue
        oracle = re.compile(source, re.ASCII)
        prefixes = ["".join(rng.choice(LETTERS) for _ in range(rng.randint(0, 2))) for _ in range(6)]
        for prefix, (length, _) in zip(prefixes, driver.match(prefixes)):
            if length < len(prefix.encode()):
                continue
            tried += 1
            level, found = [prefix], False
            for _ in range(7):
                if any(oracle.fullmatch(text) for text in level):
                    found = True
                    break
                more = [text + letter for text in level[:40] for letter in LETTERS + "z.XY"]
                level = [text for text, (l, _) in zip(more, driver.match(more)) if l == len(text.encode())]
            if not found:
                print(f"{source!r}: {prefix!r} is said to be viable, and nothing was found that it leads to")
                bad += 1
    return bad, tried


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--cases", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng, driver = random.Random(args.seed), Driver(args.driver)
    bad, seen, matched = check(driver, rng, args.cases)
    worse, tried = check_viable(driver, rng, args.cases // 10)
    print(f"seed {args.seed}: {seen} patterns, {matched} texts match, {tried} prefixes lead on; {bad + worse} wrong")
    return 1 if bad + worse or matched < args.cases else 0


if __name__ == "__main__":
    sys.exit(main())
