#!/usr/bin/env python3
"""Do schemas accept the documents that the package jsonschema accepts? Random schemas, and documents from three sides:

    drawn       documents that follow the schema, and changed ones: accepted exactly when they validate (members in the schema's order)
    walked      tokens drawn from the masks at random to the end of the text: what comes out parses and validates (with --tokenizer)
    refused     keywords that are not supported: an error that names pointer and keyword

    schema_check.py DRIVER [--tokenizer FILE --end ID] [--cases 600] [--seed 1]
"""

import argparse
import json
import pathlib
import random
import re
import sys

from driver import Driver, Refused, gguf_pieces

try:
    import jsonschema
except ImportError:
    print("skipped: no package jsonschema: run ./dev setup")
    sys.exit(77)

TEXTS = ["", "a", "ab", "abc", "x", 'q"\\', "é中", "😀b", "line\nbreak", "\x01", "7", "2024-02-29", "zz"]
PATTERNS = ["^[ab]+$", "b", "^.{2,4}$", "^(x|é)", '"', r"\d$", "^$|z"]
FORMATS = {
    "date": (["2024-02-29", "1999-12-31"], ["2023-02-29", "2024-13-01", "24-01-01", "0000-01-01"]),
    "time": (["23:59:59Z", "00:00:00.5+02:00"], ["24:00:00Z", "12:00:00"]),
    "date-time": (["2024-02-29T12:00:00Z", "1985-04-12T23:20:50.52-08:00"], ["2024-02-29 12:00:00Z", "1985-04-31T00:00:00Z"]),
    "duration": (["P1Y2M3D", "PT5M", "P3W", "P1DT12H"], ["P", "1Y", "P1S", "PT"]),
    "uuid": (["2eb8aa08-aa98-11ea-b4aa-73b441d16380"], ["2eb8aa08aa9811eab4aa73b441d16380", "2eb8aa08-aa98-11ea-b4aa-73b441d1638"]),
    "ipv4": (["127.0.0.1", "255.255.255.255"], ["256.0.0.1", "1.2.3", "01.2.3.4"]),
    "ipv6": (["::", "::1", "fe80::1:2", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1::8", "1:2:3:4:5:6:7::"], ["1:2:3", ":::", "1:2:3:4:5:6:7:8:9", "12345::", "::1::"]),
    "email": (["a.b@example.com"], ["a", "@example.com"]),
    "hostname": (["example.com", "a-b.c"], ["-a", "a..b", ""]),
    "uri": (["https://example.com/a?b=c#d", "urn:x:y", "http://[::1]:80/"], ["/relative", "http://a b", "://x"]),
    "json-pointer": (["", "/a/b~0"], ["a", "/~2"]),
}  # fmt: skip
REFUSED = ["multipleOf", "uniqueItems", "not", "if", "contains", "propertyNames", "dependentRequired", "unevaluatedProperties", "minContains", "frobnicate"]


class Schemas:
    def __init__(self, rng):
        self.rng, self.definitions = rng, {}

    def root(self):
        schema = self.any(3)
        if isinstance(schema, bool):
            return schema
        if self.definitions:
            schema["$defs"] = self.definitions
        return schema

    def any(self, depth):
        rng = self.rng
        kinds = [self.number, self.integer, self.string, self.string, self.literal, self.plain]
        if depth:
            kinds += [self.array, self.object, self.object, self.object, self.choice, self.reference, self.many]
        return rng.choice(kinds)(depth - 1)

    def plain(self, _):
        return self.rng.choice([True, {}, {"type": "null"}, {"type": "boolean"}, {"type": ["integer", "null"]}, {"type": ["string", "array"]}, {"type": "object"}, {"type": "array"}])

    def number(self, _, kind="number", draw=lambda rng: rng.choice([-3, -1, 0, 0.5, 2.25, 7, 10, 12.5, 99, 100, 1e2, -0.125])):
        schema = {"type": kind}
        for keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
            if self.rng.random() < 0.3:
                schema[keyword] = draw(self.rng)
        return schema

    def integer(self, _):
        return self.number(_, "integer", lambda rng: rng.choice([-12, -5, 0, 1, 3, 9, 10, 17, 99, 123, 2.5]))

    def string(self, _):
        rng, schema = self.rng, {"type": "string"}
        if rng.random() < 0.25:
            schema["format"] = rng.choice(list(FORMATS))
            return schema
        if rng.random() < 0.4:
            schema["pattern"] = rng.choice(PATTERNS)
        if rng.random() < 0.3:
            schema["minLength"] = rng.randint(0, 3)
        if rng.random() < 0.3:
            schema["maxLength"] = rng.randint(0, 4)
        return schema

    def literal(self, _):
        # Constants come as the schema writes them: no 3.0, which is 3 too.
        values = [1, 2.5, "a", 'q"\\', "é", None, True, [1, {"a": 2}], {"a": []}, -7, 3]
        if self.rng.random() < 0.3:
            return {"const": self.rng.choice(values)}
        schema = {"enum": self.rng.sample(values, self.rng.randint(1, 4))}
        if self.rng.random() < 0.3:
            schema["type"] = self.rng.choice(["string", "number", "integer"])
        return schema

    def array(self, depth):
        rng, schema = self.rng, {"type": "array"}
        if rng.random() < 0.7:
            schema["items"] = self.any(depth) if rng.random() < 0.85 else False
        if rng.random() < 0.3:
            schema["prefixItems"] = [self.any(depth) for _ in range(rng.randint(1, 2))]
        if rng.random() < 0.3:
            schema["minItems"] = rng.randint(0, 2)
        if rng.random() < 0.3:
            schema["maxItems"] = rng.randint(0, 3)
        return schema

    def object(self, depth, names="abcd"):
        rng, schema = self.rng, {"type": "object"}
        own = [name for name in names if rng.random() < 0.5]
        if own:
            schema["properties"] = {name: self.any(depth) for name in own}
        if rng.random() < 0.6:
            schema["required"] = [name for name in own + (["r"] if rng.random() < 0.1 else []) if rng.random() < 0.6]
        if rng.random() < 0.6:
            schema["additionalProperties"] = False if rng.random() < 0.7 else self.any(depth)
        if rng.random() < 0.15:
            schema["patternProperties"] = {rng.choice(["^x_", "b", "y$"]): self.any(depth)}
        if rng.random() < 0.1:
            del schema["type"]
        return schema

    def choice(self, depth):
        options = [self.any(depth) for _ in range(self.rng.randint(1, 3))]
        return {"anyOf": options}

    def many(self, depth):
        """Keywords that bring schemas together: their members come in the order of the alphabet."""
        schema = self.object(depth, "ab")
        schema["allOf"] = [self.object(depth, "bcd")]
        if self.rng.random() < 0.5:
            schema["anyOf"] = [self.object(depth, "ef") for _ in range(2)]
        return schema

    def reference(self, depth):
        name = self.rng.choice("pq/")
        if name not in self.definitions:
            self.definitions[name] = True
            self.definitions[name] = self.object(depth)
            self.definitions[name].setdefault("properties", {})["d"] = {"anyOf": [{"$ref": f"#/$defs/{name.replace('/', '~1')}"}, {"type": "null"}]}
        return {"$ref": f"#/$defs/{name.replace('/', '~1')}"}


def document(rng, schema, root, depth=4):
    """One that mostly follows the schema."""
    if isinstance(schema, bool) or depth < 0 or rng.random() < 0.04:
        return rng.choice([None, True, 0, 1, 2.5, -7, *TEXTS[:5], [], {}, [1], {"a": 1}])
    if "$ref" in schema:
        return document(rng, root["$defs"][schema["$ref"].split("/", 2)[2].replace("~1", "/")], root, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if "allOf" in schema:
        parts = [{key: value for key, value in schema.items() if key not in ("allOf", "anyOf")}, *schema["allOf"], *([rng.choice(schema["anyOf"])] if "anyOf" in schema else [])]
        drawn = [document(rng, part, root, depth) for part in parts]
        return {key: value for part in drawn if isinstance(part, dict) for key, value in part.items()}
    if "anyOf" in schema:
        return document(rng, rng.choice(schema["anyOf"]), root, depth)
    kind = schema.get("type", rng.choice(["object", "object", "string", "null"]))
    kind = rng.choice(kind) if isinstance(kind, list) else kind
    if kind in ("number", "integer"):
        near = [schema[keyword] for keyword in schema if "imum" in keyword] or [0]
        value = rng.choice(near) + rng.choice([0, 1, -1, 0.5, -0.25, 2, 10, -20])
        return int(value) if kind == "integer" or value == int(value) else value
    if kind == "string":
        if schema.get("format") in FORMATS:
            good, other = FORMATS[schema["format"]]
            return rng.choice(good if rng.random() < 0.7 else other)
        return rng.choice(TEXTS)
    if kind == "array":
        count = rng.randint(schema.get("minItems", 0), min(3, schema.get("maxItems", 3)) if schema.get("maxItems", 3) >= schema.get("minItems", 0) else 3)
        first = schema.get("prefixItems", [])
        return [document(rng, first[i] if i < len(first) else schema.get("items", True), root, depth - 1) for i in range(count)]
    if kind == "object":
        result = {}
        for name, value in schema.get("properties", {}).items():
            if name in schema.get("required", []) or rng.random() < 0.6:
                result[name] = document(rng, value, root, depth - 1)
        for name in ("r", "x_1", "xy", "zb"):
            if rng.random() < 0.15:
                pattern = next((p for p in schema.get("patternProperties", {}) if re.search(p, name)), None)
                result[name] = document(rng, schema["patternProperties"][pattern] if pattern else schema.get("additionalProperties", True), root, depth - 1)
        return result
    return {"null": None, "boolean": True}[kind]


def ordered(value):
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def written(rng, value):
    indent = rng.choice([None, None, 1, 2, 4])
    separators = rng.choice([(",", ":"), (", ", ": ")]) if indent is None else None
    return json.dumps(ordered(value), ensure_ascii=False, indent=indent, separators=separators)


class Unsure:
    """Whether a text was met whose format nobody here can judge."""

    met = False


def format_checker():
    """That of jsonschema; formats that it does not check without other packages have our lists of texts."""
    checker = jsonschema.FormatChecker(())

    def by_list(good, others):
        def check(value):
            if isinstance(value, str) and value not in good and value not in others:
                Unsure.met = True
            return not isinstance(value, str) or value not in others

        return check

    for name, lists in FORMATS.items():
        known = jsonschema.FormatChecker.checkers.get(name) if name not in ("time", "email") else None  # those ask for less, or another time
        checker.checkers[name] = known or (by_list(*lists), ())
    return checker


CHECKER = format_checker()


def validator(schema):
    return jsonschema.Draft202012Validator(schema, format_checker=CHECKER)


def shuffled(rng, value):
    if isinstance(value, dict):
        names = rng.sample(sorted(value), len(value))
        return {name: shuffled(rng, value[name]) for name in names}
    return [shuffled(rng, item) for item in value] if isinstance(value, list) else value


def has_order(driver, rng, value):
    """Whether members can be put in an order that is accepted: an option of anyOf has an order of its own, in which a member that it does not declare is last."""
    return any(driver.accepts([json.dumps(shuffled(rng, value), ensure_ascii=False) for _ in range(300)]))


def check_drawn(driver, rng, schema, bad):
    """(documents, valid ones, those of them in another order than that of the alphabet)"""
    oracle, texts, wanted, reordered = validator(schema), [], [], 0
    for _ in range(12):
        value = document(rng, schema, schema if isinstance(schema, dict) else {})
        Unsure.met = False
        text, valid = written(rng, value), oracle.is_valid(value)
        if not Unsure.met:
            texts.append(text)
            wanted.append(valid)
    for text, expected, (length, complete) in zip(texts, wanted, driver.match(texts)):
        if expected and not complete and "anyOf" in json.dumps(schema) and has_order(driver, rng, json.loads(text)):
            reordered += 1
        elif complete != expected:
            bad.append(f"{json.dumps(schema)}\n  on {text}: {complete} at {length}, expected {expected}")
    return len(texts), sum(wanted), reordered


def walk(driver, rng, pieces, end):
    """A text of tokens drawn from the masks; None where it did not end in time."""
    tokens, text = [], b""
    for step in range(100):
        mask = driver.mask(tokens)
        if mask[end >> 3] >> (end & 7) & 1 and rng.random() < 0.7:
            return text
        allowed = [token for token in rng.sample(range(len(pieces)), 400) if mask[token >> 3] >> (token & 7) & 1]
        if not allowed or step > 40:  # what closes something, to come to an end
            allowed = [token for token in range(len(pieces)) if mask[token >> 3] >> (token & 7) & 1]
            allowed = [token for token in allowed if pieces[token][:1] in (b'"', b"}", b"]", b"0", b"n")] or allowed
        token = rng.choice(allowed)
        if token == end:
            return text
        tokens.append(token)
        text += pieces[token]
    return None


def check_walked(driver, rng, schema, pieces, end, bad):
    text = walk(driver, rng, pieces, end)
    if text is None:
        return 0
    try:
        value = json.loads(text.decode())
        validator(schema).validate(value)
    except (ValueError, jsonschema.ValidationError) as error:
        bad.append(f"{json.dumps(schema)}\n  walked to {text!r}: {str(error).splitlines()[0]}")
    return 1


def check_refused(driver, bad):
    for keyword in REFUSED:
        schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b/c": {keyword: {}}}}}}
        try:
            driver.compile("json", json.dumps(schema))
            bad.append(f"{keyword} is not refused")
        except Refused as error:
            if f"#/properties/a/properties/b~1c: {keyword} is not supported" not in str(error):
                bad.append(f"{keyword} is refused as {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--tokenizer", help="a GGUF file with a byte-level tokenizer")
    parser.add_argument("--end", type=int, default=2)
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--walks", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng, driver, bad = random.Random(args.seed), Driver(args.driver), []
    pieces = None
    if args.tokenizer and not pathlib.Path(args.tokenizer).exists():
        print(f"skipped: walks, no {args.tokenizer}: run ./dev models")
    elif args.tokenizer:
        driver.ask(tokenizer=args.tokenizer, end=[args.end])
        pieces = gguf_pieces(args.tokenizer)
    schemas = documents = valid = reordered = walked = empty = other = 0
    for _ in range(args.cases):
        schema = Schemas(rng).root()
        try:
            driver.compile("json", json.dumps(schema, ensure_ascii=False))
        except Refused as error:
            if "no text fulfills it" in str(error):
                empty += 1
                drawn = [document(rng, schema, schema if isinstance(schema, dict) else {}) for _ in range(30)]
                bad += [f"{json.dumps(schema)} is said to be empty, and {value} validates" for value in drawn if validator(schema).is_valid(value)]
            elif "share names" in str(error) or "beside keywords of their members" in str(error):
                other += 1
            else:
                bad.append(f"{json.dumps(schema)} is refused: {error}")
            continue
        schemas += 1
        count, fulfilled, others = check_drawn(driver, rng, schema, bad)
        documents, valid, reordered = documents + count, valid + fulfilled, reordered + others
        if pieces and walked < args.walks:
            walked += check_walked(driver, rng, schema, pieces, args.end, bad)
    check_refused(driver, bad)
    print(*bad[:20], sep="\n")
    print(f"seed {args.seed}: {schemas} schemas, {empty} that nothing fulfills, {other} refused; {documents} documents, {valid} of them valid, {reordered} in another order; {walked} walks; {len(bad)} wrong")
    return 1 if bad or valid < args.cases or documents - valid < args.cases or reordered > valid / 100 else 0


if __name__ == "__main__":
    sys.exit(main())
