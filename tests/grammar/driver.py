"""The grammars of the program under test (drive.cpp), for Python."""

import json
import subprocess


class Refused(Exception):
    """What the program says instead of an answer."""


class Driver:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"the program ended with {self.process.wait()} at {json.dumps(line)[:2000]}")
        answer = json.loads(answer)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def compile(self, kind, source, **options):
        return self.ask(compile=kind, source=source, **options)["ms"]

    def match(self, texts):
        """[(length in bytes that may go on, complete)] of texts, as str or bytes."""
        texts = [text.encode() if isinstance(text, str) else text for text in texts]
        return [tuple(match) for match in self.ask(match=[text.hex() for text in texts])["matches"]]

    def accepts(self, texts):
        return [complete for _, complete in self.match(texts)]
