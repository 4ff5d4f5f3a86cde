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

    def compile(self, kind, source, seconds=60):
        """Milliseconds. A minute, since these scripts also ask builds under sanitizers; the limit itself has unit tests."""
        return self.ask(compile=kind, source=source, seconds=seconds)["ms"]

    def match(self, texts):
        """[(length in bytes that may go on, complete)] of texts, as str or bytes."""
        texts = [text.encode() if isinstance(text, str) else text for text in texts]
        return [tuple(match) for match in self.ask(match=[text.hex() for text in texts])["matches"]]

    def accepts(self, texts):
        return [complete for _, complete in self.match(texts)]

    def mask(self, tokens):
        """Bit `t & 7` of byte `t >> 3`: whether the token may come behind these."""
        return bytes.fromhex(self.ask(mask=tokens)["mask"])


def gguf_pieces(path):
    """The bytes of the tokens of a GGUF file with a byte-level tokenizer, read by the gguf package; empty for control tokens."""
    import gguf

    table = {chr(b): b for b in [*range(33, 127), *range(161, 173), *range(174, 256)]}
    table |= {chr(256 + n): b for n, b in enumerate(sorted(set(range(256)) - set(table.values())))}
    fields = gguf.GGUFReader(path).fields
    kinds, tokens = fields["tokenizer.ggml.token_type"], fields["tokenizer.ggml.tokens"]
    texts = [bytes(tokens.parts[at]).decode() for at in tokens.data]
    normal = [int(kinds.parts[at][0]) == 1 for at in kinds.data]
    return [bytes(table[c] for c in text) if is_normal else b"" for text, is_normal in zip(texts, normal)]
