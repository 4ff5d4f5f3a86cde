"""Texts that are hard to tokenize: every script, marks, emoji, white space, numbers, control tokens, damaged UTF-8. The same every time.

Code points are those that Unicode 14 assigns (Python 3.11 knows these): of later ones, libraries know different sets.
"""

import bz2
import functools
import random
import re
import unicodedata

from packages import data

SPACES = [" ", "\n", "\t", "\r", "\r\n", "\u00a0", "\u1680", "\u2003", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\x0b", "\x0c", "\x85", "\u200b", "\ufeff", "\u180e"]
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "❤️", "🧑🏿‍🚀", "☎︎", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
BY_HAND = [
    "",
    " ",
    "a",
    "\n",
    "\0",
    "It's  two  spaces, isn't it? I'LL SAY'S WHO'D'VE 'REALLY'",
    "  leading and trailing   ",
    "\t\ttabs\n\n\nlines\r\n\r\nends \n",
    "1 12 123 1234 12345 3.14159 1,000,000 1e-5 ½ ² ₃ Ⅷ ٣٤٥ १२३ 〇一二三 ⑴⑵",
    "def f(x):\n    return x**2  # comment\n\n\tif not x: pass\n",
    "https://example.com/a?b=c&d=%20#e <a href=\"x\">y</a> {\"k\": [1, null]}",
    "café cafe\u0301 Å A\u030a ﬁ ﬂ Ǆ ǆ İstanbul ıI ſtraße ẞ ß",
    "e\u0301\u0302\u0323 q\u0323\u0307 \u0301alone a" + "\u0300\u0323" * 8,
    "Приве́т мир! Ελληνικά ΣΊΣΥΦΟΣ. עִבְרִית العَرَبِيَّة हिन्दी தமிழ் ไทยภาษา 日本語テキスト 中文字符 한국어 ᄒ\u1161ᆫ",
    "＃ｆｕｌｌ－ｗｉｄｔｈ １２３ ｶﾀｶﾅ ㍿ ㌔ ™ … ‥ № ℃",
    "".join(EMOJI) + " " + " ".join(EMOJI),
    "ſ's K'LL it'ſ I'M i'm 'S 'T ' s",
    "\u2581 ▁▁ <0x41> ##ing [UNK] [CLS] <unk> <s> </s> <|endoftext|> <|im_start|>user<|im_end|> [INST] <pad>",
    "<|im_start|><|im_start|> <|im_start|",
    "a\u200db\u200c\u200e\u00adc\ue000\ufffd\uffff\U0010ffff",
    "!!!???...---===___***   ///\\\\\\|||~~~```'''\"\"\"",
    "don t do not . ? ! , ' n't 'm 's 've 're",
]


@functools.cache
def letters() -> dict[str, list[str]]:
    """Letters and marks by the first word of their names: mostly the script."""
    scripts: dict[str, list[str]] = {}
    for code in range(0x110000):
        kind = unicodedata.category(chr(code))
        if kind[0] in "LM" and (name := unicodedata.name(chr(code), "")):
            scripts.setdefault(name.split()[0], []).append(chr(code))
    return {script: found for script, found in scripts.items() if len(found) > 5}


@functools.cache
def assigned() -> list[str]:
    return [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]


def is_known(text: str) -> bool:
    """Whether Unicode 14 assigns every code point."""
    return all(unicodedata.category(c) != "Cn" for c in text)


def words(rng: random.Random, alphabet: list[str], count: int) -> str:
    return " ".join("".join(rng.choices(alphabet, k=rng.randint(1, 12))) for _ in range(count))


def of_scripts(rng: random.Random) -> list[str]:
    return [words(rng, alphabet[:400], 12) for _, alphabet in sorted(letters().items())]


def of_any_codes(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choices(assigned(), k=rng.randint(1, 60))) for _ in range(count)]


def of_low_codes(rng: random.Random, count: int) -> list[str]:
    """Where most rules differ: Latin, Greek, Cyrillic, marks, punctuation, and spaces."""
    pool = [c for c in assigned() if ord(c) < 0x600 or 0x2000 <= ord(c) < 0x2200] + SPACES * 20 + list("'.,0123456789 \n") * 20
    return ["".join(rng.choices(pool, k=rng.randint(1, 80))) for _ in range(count)]


def of_runs(rng: random.Random, count: int) -> list[str]:
    """Runs of the same thing: spaces, digits, signs, letters, emoji."""
    things = SPACES + EMOJI + list("aZ0-.'_é中ا\u0301") + ["ab", "  ", "\n "]
    return ["".join(rng.choice(things) * rng.choice([1, 2, 3, 7, 30]) for _ in range(rng.randint(1, 12))) for _ in range(count)]


def with_tokens(rng: random.Random, tokens: list[str], count: int) -> list[str]:
    """Names of control tokens in text."""
    between = ["", " ", "  ", "\n", "text", "x<", "é", "1", "<|"]
    return ["".join(rng.choice(between) + rng.choice(tokens) + rng.choice(between) for _ in range(rng.randint(1, 6))) for _ in range(count)]


def damaged(rng: random.Random, count: int) -> list[bytes]:
    """Bytes at random, and text with bytes changed, cut and left out."""
    found = [bytes(rng.randrange(256) for _ in range(rng.randint(1, 80))) for _ in range(count)]
    for text in of_any_codes(rng, count) + of_scripts(rng):
        changed = bytearray(text.encode()[: rng.randint(1, 120)])
        for _ in range(rng.randint(0, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        found.append(bytes(changed))
    return [text for text in found if is_known(text.decode("utf-8", "replace"))]


def news() -> list[str]:
    return data("news.txt").read_text().split("\n")


def wikipedia(most: int) -> list[str]:
    """Pages with their markup, among it links to other languages."""
    text = bz2.decompress(data("wikipedia.xml.bz2").read_bytes()).decode()
    pages = re.findall(r"<text[^>]*>(.*?)</text>", text, re.S)
    return pages[:most]
