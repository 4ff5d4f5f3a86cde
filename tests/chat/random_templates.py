"""Random templates over the names of features.CONTEXT: expressions of every kind in statements of every kind, mostly of types that fit.

An @ stands for a quotation mark.
"""

TEXTS = ["s", "u", "html", "bos_token", "messages[0].content", "'ab c'", "'A-b'", "'<x>'", "'é'", "''", "d.items2", "loop_text"]
NUMBERS = ["n", "f", "0", "1", "-3", "2.5", "l[0]", "rows[1].v", "true", "7"]
LISTS = ["l", "words", "rows", "mixed", "messages", "[1, 2, 3]", "['x', none]", "[]", "(1, 2)", "range(4)", "d.keys()", "d.items()"]
DICTS = ["d", "rows[0]", "messages[1]", "{'a': 1, 'z': 'q'}", "{}"]
NAMES = ["x", "y", "missing", "none_value"]


def pick(rng, *makers):
    return rng.choice(makers)()


def text(rng, depth):
    if depth <= 0:
        return rng.choice(TEXTS)
    t, n = (lambda: text(rng, depth - 1)), (lambda: number(rng, depth - 1))
    return pick(
        rng,
        lambda: f"({t()} + {t()})",
        lambda: f"({t()} ~ {any_value(rng, depth - 1)})",
        lambda: f"{t()} | {rng.choice(['trim', 'upper', 'lower', 'title', 'capitalize', 'string', 'reverse', 'e', 'safe', 'indent', 'tojson', 'first', 'last', 'indent(2, true)', 'replace(@a@, @-@)', 'default(1)'])}",
        lambda: f"({t()}).{rng.choice(['strip()', 'upper()', 'lower()', 'title()', 'capitalize()', 'lstrip()', 'rstrip(@c@)', 'swapcase()', 'replace(@ @, @_@)', 'removeprefix(@a@)', 'zfill(5)', 'center(6)', 'ljust(4, @é@)', 'split()', 'split(@ @, 1)', 'rsplit(none, 1)', 'splitlines()', 'partition(@ @)', 'find(@b@)', 'count(@b@)', 'isalpha()', 'startswith(@a@)', 'endswith((@c@, @b@))'])}",
        lambda: f"({t()})[{rng.choice(['0', '-1', '1:', ':-1', '::-1', '::2', '1:3', '-3:-1', '9', '3:1:-1'])}]",
        lambda: f"{sequence(rng, depth - 1)} | join({rng.choice(['', chr(39) + ', ' + chr(39), 's'])})",
        lambda: f"({t()} * {rng.choice(['0', '2', 'l[2]', '-1'])})",
        lambda: f"({t()} if {condition(rng, depth - 1)} else {t()})",
        lambda: f"{any_value(rng, depth - 1)} | tojson",
        lambda: f"'%s|%5s' % ({any_value(rng, depth - 1)}, {t()})",
        lambda: f"{n()} | string",
    )


def number(rng, depth):
    if depth <= 0:
        return rng.choice(NUMBERS)
    n = lambda: number(rng, depth - 1)  # noqa: E731
    return pick(
        rng,
        lambda: f"({n()} {rng.choice(['+', '-', '*', '/', '//', '%'])} {n()})",
        lambda: f"-{n()}",
        lambda: f"({n()} ** {rng.choice(['2', '0', '-1', '0.5'])})",
        lambda: f"{n()} | {rng.choice(['abs', 'int', 'float', 'round', 'round(1)', 'round(0, @floor@)', 'round(1, @ceil@)'])}",
        lambda: f"{text(rng, depth - 1)} | {rng.choice(['length', 'int', 'float', 'int(3)', 'wordcount'])}",
        lambda: f"{sequence(rng, depth - 1)} | {rng.choice(['length', 'sum', 'max', 'min', 'first', 'last'])}",
        lambda: f"({condition(rng, depth - 1)}) | int",
    )


def condition(rng, depth):
    if depth <= 0:
        return rng.choice(["t", "true", "false", "missing", "n", "l", "''", "x is defined", "none_value is none"])
    c, a = (lambda: condition(rng, depth - 1)), (lambda: any_value(rng, depth - 1))
    tests = "defined undefined none string mapping sequence iterable number boolean true false integer float odd even lower upper".split()
    return pick(
        rng,
        lambda: f"({number(rng, depth - 1)} {rng.choice(['<', '<=', '>', '>=', '==', '!='])} {number(rng, depth - 1)})",
        lambda: f"({a()} {rng.choice(['==', '!='])} {a()})",
        lambda: f"({text(rng, depth - 1)} {rng.choice(['<', 'in', 'not in', '=='])} {text(rng, depth - 1)})",
        lambda: f"({a()} {rng.choice(['in', 'not in'])} {sequence(rng, depth - 1)})",
        lambda: f"({a()} is {rng.choice(['', 'not '])}{rng.choice(tests)})",
        lambda: f"({a()} is {rng.choice(['eq', 'equalto', 'ne', 'in'])}({a()}))",
        lambda: f"(not {c()})",
        lambda: f"({c()} {rng.choice(['and', 'or'])} {c()})",
        lambda: f"({number(rng, 0)} < {number(rng, depth - 1)} <= {number(rng, 0)})",
    )


def sequence(rng, depth):
    if depth <= 0:
        return rng.choice(LISTS)
    q = lambda: sequence(rng, depth - 1)  # noqa: E731
    return pick(
        rng,
        lambda: f"({q()})[{rng.choice(['1:', ':-1', '::-1', '::2', ':9', '-2:'])}]",
        lambda: f"{q()} | {rng.choice(['list', 'sort', 'sort(reverse=true)', 'reverse | list', 'unique | list', 'map(@string@) | list', 'select | list', 'reject(@none@) | list', 'select(@number@) | list', 'map(@tojson@) | list', 'sort(case_sensitive=true)'])}",
        lambda: f"(rows | {rng.choice(['selectattr', 'rejectattr'])}({rng.choice(['@v@, @gt@, 1', '@w@', '@k@, @eq@, @x@', '@w.z@', '@k@, @in@, words'])}) | list)",
        lambda: f"(rows | map(attribute='{rng.choice(['k', 'v', 'w', 'w.z', 'zz'])}') | list)",
        lambda: f"{dictionary(rng, depth - 1)} | {rng.choice(['items | list', 'dictsort', 'list'])}",
        lambda: f"({dictionary(rng, depth - 1)}).{rng.choice(['items()', 'keys()', 'values()'])} | list",
        lambda: f"[{any_value(rng, depth - 1)}, {any_value(rng, depth - 1)}]",
        lambda: f"({q()} | list + {q()} | list)",
        lambda: f"({text(rng, depth - 1)} | list)",
    )


def dictionary(rng, depth):
    if depth <= 0:
        return rng.choice(DICTS)
    return pick(
        rng,
        lambda: f"{{'k': {any_value(rng, depth - 1)}, {text(rng, 0)}: {any_value(rng, depth - 1)}}}",
        lambda: f"dict({dictionary(rng, depth - 1)}, z={any_value(rng, depth - 1)})",
    )


def any_value(rng, depth):
    if rng.random() < 0.1:
        return rng.choice(NAMES)
    return rng.choice([text, number, sequence, dictionary, condition])(rng, depth)


SPACE = ["", " ", "\n", "\n  ", "  ", "a\n", " b", "\n\n"]


def tag(rng, inside):
    return "{%" + rng.choice(["", "", "-", "+"]) + f" {inside} " + rng.choice(["", "", "-", "+"]) + "%}"


def printed(rng, depth):
    return "{{" + rng.choice(["", "", "-"]) + f" {any_value(rng, depth)} " + rng.choice(["", "", "-"]) + "}}"


def body(rng, depth, in_loop=False):
    return "".join(rng.choice(SPACE) + statement(rng, depth - 1, in_loop) for _ in range(rng.randint(1, 3))) + rng.choice(SPACE)


def loop(rng, depth):
    target = rng.choice(["x", "x", "y", "k, v"])
    over = rng.choice(["d.items()", "rows[0].items()", "d | dictsort"]) if "," in target else sequence(rng, 1)
    about = rng.choice(["", "{{ loop.index }}", "{{ loop.last }}{{ loop.length }}", "{{ loop.previtem }}", "{{ loop.revindex0 }}", "{{ loop.nextitem is defined }}", "{{ loop.cycle(1, 2) }}"])
    chosen = rng.choice(["", "", f" if {condition(rng, 1)}"])
    otherwise = rng.choice(["", tag(rng, "else") + body(rng, 0)])
    return tag(rng, f"for {target} in {over}{chosen}") + about + body(rng, depth, True) + otherwise + tag(rng, "endfor")


def statement(rng, depth, in_loop=False):
    if depth <= 0:
        return printed(rng, 2)
    b = lambda: body(rng, depth, in_loop)  # noqa: E731
    makers = [
        lambda: printed(rng, 3),
        lambda: tag(rng, f"if {condition(rng, 2)}") + b() + tag(rng, "endif"),
        lambda: tag(rng, f"if {condition(rng, 1)}") + b() + tag(rng, f"elif {condition(rng, 1)}") + b() + tag(rng, "else") + b() + tag(rng, "endif"),
        lambda: loop(rng, depth),
        lambda: tag(rng, f"set {rng.choice('xy')} = {any_value(rng, 2)}") + printed(rng, 0),
        lambda: tag(rng, "set x") + body(rng, depth) + tag(rng, "endset") + "{{ x }}",
        lambda: tag(rng, "set ns = namespace(c=0)") + tag(rng, "for i in l") + tag(rng, "set ns.c = ns.c + i") + tag(rng, "endfor") + "{{ ns.c }}",
        lambda: tag(rng, f"macro m(a, b={any_value(rng, 0)})") + "{{ a }}" + body(rng, depth) + tag(rng, "endmacro") + f"{{{{ m({any_value(rng, 1)}) }}}}",
        lambda: "{#" + rng.choice(["", "-"]) + " c " + rng.choice(["", "-", "+"]) + "#}",
        lambda: tag(rng, "filter upper") + body(rng, depth) + tag(rng, "endfilter"),
        lambda: tag(rng, f"with y = {any_value(rng, 1)}") + body(rng, depth) + tag(rng, "endwith"),
    ]
    if in_loop:
        makers.append(lambda: tag(rng, f"if {condition(rng, 1)}") + tag(rng, rng.choice(["break", "continue"])) + tag(rng, "endif"))
    return rng.choice(makers)()


def template(rng):
    return body(rng, rng.choice([1, 1, 2, 3])).replace("@", '"')
