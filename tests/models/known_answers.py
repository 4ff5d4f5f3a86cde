"""Does a model still mean what it means? Checks whose right answer a person can name.

Each check gets an engine: `engine.run(id, inputs)` gives {output: array}, `engine.metadata(id)` the model's own
metadata. It returns what it saw and raises Wrong when that is not right; Missing when something it needs is not here.
`check_models.py --engine onnxruntime` runs the same checks on onnxruntime, which proves the checks themselves.

    magika      a Markdown file is markdown, a Python file python
    ocr4-rec    reads a rendered "Hello World 2026": greedy CTC over the characters in the model's metadata
    silero-if   hears speech in 72 % of the first 6 s of a reading, and nothing in silence
    minilm-l3   a paraphrase has cosine 0.68, an unrelated sentence 0.05
"""

import json
import pathlib
import sys
import wave

import numpy as np

from packages import CACHE, ROOT, Missing, data

sys.path.insert(0, str(ROOT / "tools" / "demo"))
import magika  # noqa: E402


class Wrong(Exception):
    """The model's answer is not the right one."""


def expect(condition: bool, text: str) -> None:
    if not condition:
        raise Wrong(text)


# ---- magika -----------------------------------------------------------------------------------------------------------

MARKDOWN = b"""# Boats

Small boats of the *northern* coast, and how they are built.

## Contents

- [Wood](#wood): larch and oak
- [Rivets](#rivets)

| part | wood  |
|------|-------|
| keel | oak   |
| hull | larch |

1. Lay the keel.
2. Bend the planks, as `plan.md` shows.

```sh
make boat
```
"""


def check_magika(engine) -> str:
    config = json.loads((CACHE / "models" / "magika.config.json").read_text())
    labels, seen = config["target_labels_space"], []
    readme = ROOT / "README.md"
    files = [("markdown", MARKDOWN), ("python", pathlib.Path(__file__).read_bytes())]
    if readme.is_file():
        files.append(("markdown", readme.read_bytes()))
    for expected, content in files:
        (scores,) = engine.run("magika", {"bytes": magika.features(content, config)}).values()
        best = int(np.argmax(scores[0]))
        seen.append(f"{labels[best]} {scores[0][best]:.3f}")
        expect(labels[best] == expected, f"a {expected} file is {seen[-1]}")
    return ", ".join(seen)


# ---- ocr4-rec ---------------------------------------------------------------------------------------------------------

TEXT = "Hello World 2026"


def rendered(text: str) -> np.ndarray:
    """The text, black on white, as the recogniser takes it: f32 [1, 3, 48, w] in -1 to 1."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise Missing(f"Pillow: {error}") from error
    font = ImageFont.load_default(size=32)
    left, top, right, bottom = font.getbbox(text)
    width = right - left + 24
    image = Image.new("RGB", (width, 48), "white")
    ImageDraw.Draw(image).text((12 - left, (48 - (bottom - top)) // 2 - top), text, fill="black", font=font)
    pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None]
    return np.ascontiguousarray((pixels / 255 - 0.5) / 0.5)


def read_ctc(scores: np.ndarray, characters: list[str]) -> str:
    """Greedy: the best class of every step, repeats and blanks (class 0) dropped. The last class is the space."""
    classes = ["", *characters, " "]
    expect(scores.shape[1] == len(classes), f"{scores.shape[1]} classes for {len(classes)} characters")
    best = scores.argmax(axis=1)
    return "".join(classes[now] for before, now in zip([-1, *best[:-1]], best) if now != before)


def check_ocr(engine) -> str:
    (scores,) = engine.run("ocr4-rec", {"x": rendered(TEXT)}).values()
    characters = engine.metadata("ocr4-rec").get("character")
    expect(characters is not None, "the metadata lacks `character`")
    text = read_ctc(scores[0], characters.splitlines())
    expect(text == TEXT, f"read {text!r}, expected {TEXT!r}")
    return f"read {text!r}"


# ---- silero-if --------------------------------------------------------------------------------------------------------

RATE, CHUNK, CONTEXT = 16000, 512, 64


def reading(seconds: int) -> np.ndarray:
    """The start of the reading at 16 kHz: each three samples of its 48 kHz averaged."""
    with wave.open(str(data("two_cities.wav"))) as file:
        samples = np.frombuffer(file.readframes(seconds * file.getframerate()), dtype=np.int16)
    return samples.reshape(-1, 3).mean(axis=1).astype(np.float32) / 32768


def speech_probabilities(engine, samples: np.ndarray) -> np.ndarray:
    state = np.zeros((2, 1, 128), dtype=np.float32)
    padded = np.concatenate([np.zeros(CONTEXT, dtype=np.float32), samples])
    probabilities = []
    for start in range(0, len(samples) - CHUNK + 1, CHUNK):
        chunk = padded[start : start + CONTEXT + CHUNK][None]
        outputs = engine.run("silero-if", {"input": chunk, "sr": np.array(RATE, dtype=np.int64), "state": state})
        state = outputs["stateN"]
        probabilities.append(float(outputs["output"][0, 0]))
    return np.array(probabilities)


def check_silero(engine) -> str:
    speech = float(np.mean(speech_probabilities(engine, reading(6)) > 0.5))
    expect(abs(speech - 0.722) < 0.02, f"speech in {speech:.1%} of the chunks, expected 72.2 %")
    silence = float(np.median(speech_probabilities(engine, np.zeros(6 * RATE, dtype=np.float32))))
    expect(silence < 0.004, f"silence is speech with probability {silence:.4f}, expected 0.002")
    return f"speech in {speech:.1%} of the chunks, silence {silence:.4f}"


# ---- minilm-l3 --------------------------------------------------------------------------------------------------------

SENTENCES = ("A man is playing a guitar.", "Someone is strumming a guitar.", "It is so sunny outside!")


def check_minilm(engine) -> str:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise Missing(f"tokenizers: {error}") from error
    tokenizer = Tokenizer.from_file(str(data("minilm.tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    vectors = []
    for sentence in SENTENCES:
        ids = np.array([tokenizer.encode(sentence).ids], dtype=np.int64)
        vector = engine.run("minilm-l3", {"input_ids": ids, "attention_mask": np.ones_like(ids)})["461"][0]
        vectors.append(vector / np.linalg.norm(vector))
    paraphrase, unrelated = float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])
    text = f"cosine {paraphrase:.3f} for a paraphrase, {unrelated:.3f} for an unrelated sentence"
    expect(abs(paraphrase - 0.682) < 0.005 and abs(unrelated - 0.050) < 0.005, f"{text}, expected 0.682 and 0.050")
    return text


# The model's id: what is asked of it.
CHECKS = {"magika": check_magika, "ocr4-rec": check_ocr, "silero-if": check_silero, "minilm-l3": check_minilm}
