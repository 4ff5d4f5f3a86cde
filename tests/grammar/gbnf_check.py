#!/usr/bin/env python3
"""Do grammars derive what a recognizer derives that was written for this test? Random context-free grammars in llama.cpp's notation.

The oracle is a table over all parts of a text, filled until nothing changes: what each symbol of a grammar without repetitions derives. It knows neither
automata nor stacks. All texts over the alphabet up to a length are asked for, so that prefixes are judged exactly where texts are short.

    gbnf_check.py DRIVER [--cases 400] [--seed 1]
"""

import argparse
import itertools
import random
import sys

from driver import Driver, Refused

LETTERS = "abé"
LONGEST = 5


def random_grammar(rng):
    """[(alternatives of symbols)] by rule: an int is a rule, a text is a literal."""
    rules = rng.randint(1, 4)

    def symbol():
        return rng.randrange(rules) if rng.random() < 0.45 else "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 2)))

    return [[[symbol() for _ in range(rng.choice([0, 1, 1, 2, 2, 3]))] for _ in range(rng.randint(1, 3))] for _ in range(rules)]


def notation(grammar, rng):
    """The grammar as text; some parts are written as groups, options and repetitions, which become rules of the oracle's grammar."""
    grammar = [[list(alternative) for alternative in rule] for rule in grammar]
    lines = []
    for number in range(len(grammar)):
        alternatives = []
        for alternative in grammar[number]:
            parts = []
            for place, symbol in enumerate(alternative):
                text = f"r{symbol}" if isinstance(symbol, int) and symbol else "root" if symbol == 0 else f'"{symbol}"'
                kind = rng.random()
                new = len(grammar)
                if kind < 0.08:
                    text, rule = f"{text}?", [[], [symbol]]
                elif kind < 0.16:
                    text, rule = f"({text})*", [[], [symbol, new]]
                elif kind < 0.22:
                    text, rule = f"({text} | [a-b])", [[symbol], ["a"], ["b"]]
                elif kind < 0.28:
                    text, rule = f"{text}{{1,2}}", [[symbol], [symbol, symbol]]
                elif kind < 0.32:
                    text, rule = f"({text}\n  | [^a] {text})", [[symbol], ["b", symbol], ["é", symbol]]
                else:
                    rule = None
                if rule:
                    grammar.append(rule)
                    alternative[place] = new
                parts.append(text)
            alternatives.append(" ".join(parts) if parts else '""')
        lines.append(f"{f'r{number}' if number else 'root'} ::= {' | '.join(alternatives)} # a comment")
        if rng.random() < 0.1:
            lines.append("")
    return "\n".join(lines) + rng.choice(["", "\n"]), grammar


def language(grammar):
    """All texts up to LONGEST letters that the root derives: sets that grow until nothing changes."""
    sets = [set() for _ in grammar]
    changed = True
    while changed:
        changed = False
        for number, alternatives in enumerate(grammar):
            for alternative in alternatives:
                texts = {""}
                for symbol in alternative:
                    texts = {a + b for a in texts for b in (sets[symbol] if isinstance(symbol, int) else {symbol}) if len(a) + len(b) <= LONGEST}
                if not texts <= sets[number]:
                    sets[number] |= texts
                    changed = True
    return sets[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng, driver = random.Random(args.seed), Driver(args.driver)
    everything = ["".join(letters) for length in range(LONGEST + 1) for letters in itertools.product(LETTERS, repeat=length)]
    bad = compiled = left_recursive = accepted = 0
    for _ in range(args.cases):
        source, grammar = notation(random_grammar(rng), rng)
        texts = language(grammar)
        try:
            driver.compile("gbnf", source)
        except Refused as error:
            left_recursive += "begins with itself" in str(error)
            if "begins with itself" not in str(error) and not ("no text" in str(error) and not texts):
                print(f"refused: {error}\n{source}")
                bad += 1
            continue
        compiled += 1
        accepted += len(texts)
        for text, (length, complete) in zip(everything, driver.match(everything)):
            if complete != (text in texts):
                print(f"{text!r}: {complete}, expected {text in texts}\n{source}")
                bad += 1
                break
            begins = any(other.startswith(text) for other in texts)
            if begins and length < len(text.encode()):
                print(f"{text!r} stops at {length}, and a text begins with it\n{source}")
                bad += 1
                break
    print(f"seed {args.seed}: {compiled} grammars with {accepted} texts, {left_recursive} refused as left recursive; {bad} wrong")
    return 1 if bad or compiled < args.cases // 3 else 0


if __name__ == "__main__":
    sys.exit(main())
