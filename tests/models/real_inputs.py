"""What do quantized models see? Models with inputs that mean something, some to calibrate on and others to be judged by.

    digits-mlp, digits-cnn   1,000 held-out pictures of digits; calibrated on 200 of the training ones       points of accuracy lost
    minilm-l6                64 sentences of news, calibrated on 32 others                                   cosine of the embedding
    resnet50-thin            photos, smaller, larger and squeezed; calibrated on crops in their own size     cosine of the pooled features

A measure is two numbers, higher is better: for digits the points, and the share of pictures with the float model's answer; else the mean
cosine, and the worst item's. resnet50-thin ends in a softmax of two classes, which hides everything: here it also puts out the pooled
features in front of its last product.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable

import numpy as np
import onnx

import digits
import minilm
from packages import CACHE, data

FEATURES = "Reshape:0"  # of resnet50-thin


@dataclasses.dataclass
class Fixture:
    name: str
    path: Callable[[], pathlib.Path]
    calibration: Callable[[], dict[str, np.ndarray]]  # one call; items along the first dimension
    evaluation: Callable[[], dict[str, np.ndarray]]
    measure: Callable[[dict, dict], tuple[float, float]]  # of (float outputs, outputs)
    unit: str


# ---- digits -----------------------------------------------------------------------------------------------------------


def held_out() -> dict[str, np.ndarray]:
    return dict(np.load(digits.cached() / "pictures.npz"))


def accuracy(base: dict, got: dict) -> tuple[float, float]:
    labels, before, after = held_out()["labels"], base["scores"].argmax(1), got["scores"].argmax(1)
    return 100 * float(np.mean(after == labels) - np.mean(before == labels)), float(np.mean(after == before))


def digits_fixture(kind: str) -> Fixture:
    return Fixture(
        f"digits-{kind}",
        lambda: digits.cached() / f"{kind}.onnx",
        lambda: {"x": digits.shaped(kind, held_out()["training"])},
        lambda: {"x": digits.shaped(kind, held_out()["x"])},
        accuracy,
        "points",
    )


# ---- cosines ----------------------------------------------------------------------------------------------------------


def cosine_of(name: str) -> Callable[[dict, dict], tuple[float, float]]:
    def measure(base: dict, got: dict) -> tuple[float, float]:
        a, b = base[name].astype(np.float64), got[name].astype(np.float64)
        cosines = np.sum(a * b, 1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        return float(cosines.mean()), float(cosines.min())

    return measure


def sentences(start: int, stop: int) -> list[str]:
    text = data("news.txt").read_text(errors="ignore")
    whole = [s for s in re.split(r"(?<=[a-z]\.)\s+", text) if 40 <= len(s) <= 200]
    return whole[start:stop]


def photo(name: str, scale: float = 1.0):
    from PIL import Image

    picture = Image.open(data(name)).convert("RGB")
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.BILINEAR)


def as_input(pictures: list) -> dict[str, np.ndarray]:
    """224 x 224 RGB to BGR less the means of the training set, as the model's package does it."""
    x = np.stack([np.asarray(p, np.float32)[..., ::-1] for p in pictures])
    return {"input:0": x - np.float32([104, 117, 123])}


def crops(picture, columns: int, rows: int) -> list:
    """Spread evenly over the picture."""
    lefts, tops = (np.linspace(0, size - 224, count).astype(int) for size, count in ((picture.width, columns), (picture.height, rows)))
    return [picture.crop((left, top, left + 224, top + 224)) for top in tops for left in lefts]


def photos_to_calibrate() -> dict[str, np.ndarray]:
    return as_input([crop for name in ("china.jpg", "flower.jpg") for crop in crops(photo(name), 3, 2)])


def photos_to_judge() -> dict[str, np.ndarray]:
    pictures = []
    for name in ("china.jpg", "flower.jpg"):
        pictures += [photo(name).resize((224, 224)), *crops(photo(name, 0.6), 2, 1), *crops(photo(name, 1.5), 2, 2)]
    return as_input(pictures)


def resnet() -> pathlib.Path:
    """The model with its features put out as well."""
    path = CACHE / "made" / "resnet50-thin-features.onnx"
    if not path.is_file():
        model = onnx.load(CACHE / "models" / "resnet50-thin.onnx")
        model.graph.output.append(onnx.helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, None))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString())
    return path


FIXTURES = {
    fixture.name: fixture
    for fixture in (
        digits_fixture("mlp"),
        digits_fixture("cnn"),
        Fixture(
            "minilm-l6",
            minilm.cached,
            lambda: minilm.encode(sentences(0, 32)),
            lambda: minilm.encode(sentences(32, 96)),
            cosine_of("embedding"),
            "cosine",
        ),
        Fixture("resnet50-thin", resnet, photos_to_calibrate, photos_to_judge, cosine_of(FEATURES), "cosine"),
    )
}
