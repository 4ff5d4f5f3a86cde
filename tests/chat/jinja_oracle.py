"""Chat templates as jinja2 renders them, in the environment that transformers makes for them.

Nothing of ours is in it: jinja2's own sandbox, trim_blocks, lstrip_blocks, loop controls, the `tojson`, `raise_exception`, `strftime_now` and `generation` of transformers' documentation.
"""

import datetime
import functools
import json
import json.decoder
import pathlib
import subprocess

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    """{% generation %}: what a model is trained on; it shows as it is."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_show"), [], [], body).set_lineno(line)

    def _show(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda format: datetime.datetime.now().strftime(format)
    return made


ENVIRONMENT = environment()


@functools.lru_cache(maxsize=64)
def compiled(source):
    return ENVIRONMENT.from_string(source)


def rendered(source, context):
    """(text, None), or (None, error)."""
    try:
        return compiled(source).render(**context), None
    except Exception as error:  # noqa: BLE001: whatever goes wrong in a template
        return None, f"{type(error).__name__}: {error}"


class Renderer:
    """Our program, asked a line at a time."""

    def __init__(self, program, tokenizer=None):
        self.command = [str(program), *([str(tokenizer)] if tokenizer else [])]

    def ask(self, requests):
        """The answers, in order; a program that dies answers the rest with an error."""
        done = subprocess.run(self.command, input="".join(json.dumps(request) + "\n" for request in requests), capture_output=True, text=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        missing = len(requests) - len(answers)
        return answers + [{"error": f"the program died with {done.returncode}: {done.stderr[-300:]}", "code": "crash"}] * missing


def text_of(answer):
    return "".join(text for text, _ in answer["pieces"]) if "pieces" in answer else None


def template_part(answer):
    return "".join(text for text, is_template in answer["pieces"] if is_template)


def root():
    return pathlib.Path(__file__).resolve().parents[2]
