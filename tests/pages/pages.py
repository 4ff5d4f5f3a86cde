#!/usr/bin/env python3
"""Do the pages of `compile --report`, `inspect --html` and `quantize --report` render in a browser, and do they show what is in the plan?

Each case makes a page, opens it in headless Chromium, and looks at the elements that its script has made: their numbers agree with
`inspect --json` and `compile --emit graph`, nothing overlaps or is cut off, text can be read in both colour schemes, one click selects the
same things everywhere. A case is a function whose name begins with `test`; it makes its files in a folder of its own.

    pages.py [NAME…] [--bin FOLDER]

One line a case that fails; the last line says `N passed, N failed, N skipped`. Exit status: 0 when nothing failed, 1 when something
did, 77 when nothing could be run.
"""

import argparse
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
BIN = ROOT / "build" / "dev" / "bin"
MLP = ROOT / "docs" / "spec" / "mlp.mlir"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Skip(Exception):
    pass


# ---- the programs and the browser --------------------------------------------------------------------------------------------------


def jinx(*arguments):
    done = subprocess.run([BIN / "jinx", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"jinx {arguments[0]}: exit {done.returncode}: {done.stderr[-400:]}"
    return done.stdout


class Elements(html.parser.HTMLParser):
    """Start tags of a page with their attributes, and the text of elements that have an id."""

    def __init__(self, text):
        super().__init__()
        self.all, self.texts, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = {key: value or "" for key, value in attributes}
        self.all.append((tag, attributes))
        self.inside = attributes.get("id")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.texts[self.inside] = self.texts.get(self.inside, "") + data

    def of_class(self, name):
        return [a for _, a in self.all if name in a.get("class", "").split()]

    def with_attribute(self, name):
        return [a for _, a in self.all if name in a]


def browse(folder, page, *, dark=False, clicks=(), width=1400):
    """The elements of the page after its script has run and the clicks have been made, and what probe.js saw."""
    probed = folder / "probed.html"
    text = page.read_text()
    catch = '<script>addEventListener("error", e => document.documentElement.setAttribute("data-error", e.message));</script>'
    text = text.replace("<head>", "<head>" + catch, 1)
    script = f"const actions = {json.dumps(list(clicks))};\n" + (HERE / "probe.js").read_text()
    head, tail = text.rsplit("</body>", 1)
    probed.write_text(f"{head}<script>{{{script}}}</script></body>{tail}")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", f"--window-size={width},2400",
               f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=20000", "--dump-dom", probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    elements = Elements(done.stdout)
    errors = elements.with_attribute("data-error")
    assert not errors, f"the page's script failed: {errors[0]['data-error']}"
    assert "probe" in elements.texts, f"the page did not load: {done.stderr[-400:]}"
    return elements, json.loads(elements.texts["probe"])


# ---- models ------------------------------------------------------------------------------------------------------------------------


def report(folder, model, *options):
    """Compiles; the page, the plan and what `inspect --json` says about it."""
    plan, page = folder / "m.jxp", folder / "m.html"
    jinx("compile", model, "-o", plan, "--report", page, *options)
    dims = [o if o != "--report-dim" else "--dim" for o in options if "-dim" in o or "=" in o]
    return page, plan, json.loads(jinx("inspect", plan, "--json", *dims))


def named_model(name):
    path = CACHE / "models" / f"{name}.onnx"
    if not path.exists():
        raise Skip(f"{path.name} is not there: run ./dev models")
    return path


def tall_model(folder, blocks=120):
    """A residual network of reductions: several hundred operators, and an edge from the first to the last."""
    kind, row = "tensor<4x64xf32>", "tensor<4x1xf32>"
    lines = [f"func.func @main(%x0: {kind} {{jinx.name = \"x\"}}) -> ({kind} {{jinx.name = \"y\"}}) {{"]
    for i in range(blocks):
        lines += [f"  %e{i} = jinx.exp %x{i} : {kind} -> {kind} loc(\"/block{i}/exp\")",
                  f"  %s{i} = jinx.reduce sum, %e{i} axes [1] : {kind} -> {row} loc(\"/block{i}/sum\")",
                  f"  %d{i} = jinx.div %e{i}, %s{i} : {kind}, {row} -> {kind} loc(\"/block{i}/softmax of a rather long name\")",
                  f"  %x{i + 1} = jinx.add %d{i}, %x{i} : {kind}, {kind} -> {kind} loc(\"/block{i}/add\")"]
    lines += [f"  %y = jinx.mul %x{blocks}, %x0 : {kind}, {kind} -> {kind} loc(\"/last\")", f"  return %y : {kind}", "}"]
    path = folder / "tall.mlir"
    path.write_text("\n".join(lines))
    return path


def branching_model(folder):
    """Two branches, of which one calls the host, and a name that is no HTML."""
    path = folder / "branch.mlir"
    path.write_text("""
func.func @main(%c: tensor<i1> {jinx.name = "c"}, %x: tensor<4xf32> {jinx.name = "x"}) -> (tensor<4xf32> {jinx.name = "y"}) {
  %y = jinx.if %c : tensor<i1> -> tensor<4xf32> {
    %a = jinx.exp %x : tensor<4xf32> -> tensor<4xf32> loc("</script><img src=x onerror=alert(1)> & \\22quotes\\22")
    jinx.yield %a : tensor<4xf32>
  } else {
    %b = jinx.host_call "" "Acos" 7 {} (%x) : (tensor<4xf32>) -> tensor<4xf32> loc("/else/Acos")
    jinx.yield %b : tensor<4xf32>
  } loc("/if")
  return %y : tensor<4xf32>
}
""")
    return path


def operators_before_fusion(model):
    """Operators of the graph as `--emit graph` prints it without the last passes; constants are no operators of the picture."""
    text = jinx("compile", model, "--emit", "graph", "--disable-pass", "fuse")
    kinds = re.findall(r"^\s*%\S+(?:, %\S+)* = jinx\.(\w+)", text, re.M)
    return [kind for kind in kinds if kind not in ("constant", "none")]


# ---- what is asserted --------------------------------------------------------------------------------------------------------------


def check_counts(elements, seen, info, operators):
    """`operators`: of the graph before fusion; 0 when the page cannot know."""
    assert seen["nodes"] == {"before": operators, "after": len(info["steps"])}, (seen["nodes"], operators, len(info["steps"]))
    assert len(elements.with_attribute("data-step")) == len(info["steps"])
    kernels = [a["data-kernel"] for a in elements.with_attribute("data-kernel")]
    assert kernels == [k["symbol"] for k in info["kernels"]], kernels
    assert len(elements.of_class("buffer")) == len(info["memory"]["timeline"])


def check_buffers(elements, info):
    """Rectangles lie as the plan says: in the same order from left to right and from bottom to top, none on another."""
    boxes = [{key: float(b[key]) for key in ("x", "y", "width", "height")} for b in elements.of_class("buffer")]
    entries = info["memory"]["timeline"]
    assert boxes, "no rectangles"
    for a, p in zip(boxes, entries):
        for b, q in zip(boxes, entries):
            assert (p["first"] < q["first"]) == (a["x"] < b["x"] - 0.01), (p, q)
            if p["offset"] + p["size"] <= q["offset"]:
                assert a["y"] >= b["y"] + b["height"] - 1.01, (p, q)


def check_looks(seen):
    wrong = {key: value[:3] if isinstance(value, list) else value for key, value in seen["wrong"].items() if value}
    assert not wrong, wrong


def check_selection(folder, page, info):
    """A click on a step selects its operators, its row and its buffers; a click on an operator selects its step."""
    data = json.loads(re.search(r'id="report">(.*?)</script>', page.read_text(), re.S)[1])
    operators = data["compile"]["graph"]["operators"]
    step = max(range(len(info["steps"])), key=lambda s: sum(s in op["steps"] for op in operators))
    first = next(i for i, op in enumerate(operators) if step in op["steps"])
    expected = sorted([i for i, op in enumerate(operators) if step in op["steps"]] + [step])
    assert len(expected) > 2, "no step of the model computes two operators"
    for click in (f'.after [data-node="{step}"]', f'.before [data-node="{first}"]', f'tr[data-step="{step}"]'):
        elements, _ = browse(folder, page, clicks=[click])
        chosen = elements.of_class("selected")
        assert sorted(int(a["data-node"]) for a in chosen if "data-node" in a) == expected, click
        assert [int(a["data-step"]) for a in chosen if "data-step" in a] == [step], click
        buffers = [i for i, entry in enumerate(info["memory"]["timeline"]) if entry["first"] == step]
        assert [int(a["data-buffer"]) for a in chosen if "data-buffer" in a] == buffers, click
    elements, _ = browse(folder, page, clicks=[f'.after [data-node="{step}"]', ".after svg"])
    assert not elements.of_class("selected"), "a click beside the boxes selects nothing"


# ---- cases -------------------------------------------------------------------------------------------------------------------------


def test_a_small_model(folder):
    page, _, info = report(folder, MLP, "--report-dim", "batch=32")
    assert info["sizes"] == {"batch": 32}
    elements, seen = browse(folder, page)
    check_counts(elements, seen, info, len(operators_before_fusion(MLP)))
    check_buffers(elements, info)
    check_looks(seen)
    check_selection(folder, page, info)
    assert [a["data-stage"] for a in elements.with_attribute("data-stage")][:3] == ["start", "import", "optimize"]
    assert "jinx-fuse" in [a["data-pass"] for a in elements.with_attribute("data-pass")]
    assert elements.with_attribute("data-remark")


def test_several_hundred_operators(folder):
    model = tall_model(folder)
    page, _, info = report(folder, model)
    for dark in (False, True):
        elements, seen = browse(folder, page, dark=dark)
        check_looks(seen)
    check_counts(elements, seen, info, 481)
    check_buffers(elements, info)


def test_branches_the_host_and_hostile_names(folder):
    page, _, info = report(folder, branching_model(folder))
    elements, seen = browse(folder, page)
    check_counts(elements, seen, info, 3)
    check_looks(seen)
    assert not [a for tag, a in elements.all if tag == "img"], "a node's name became an element"
    assert len([e for e in elements.of_class("edge") if "inside" in e["class"].split()]) >= 2, "branches hang from their step"
    assert elements.of_class("host")


def test_a_narrow_window(folder):
    page, _, _ = report(folder, MLP)
    _, seen = browse(folder, page, width=700)
    check_looks(seen)


def test_a_plan_without_its_compilation(folder):
    page, plan, info = report(folder, MLP)
    jinx("inspect", plan, "--html", page)
    for dark in (False, True):
        elements, seen = browse(folder, page, dark=dark)
        check_looks(seen)
    check_counts(elements, seen, info, 0)
    check_buffers(elements, info)
    assert not elements.with_attribute("data-pass")


def test_times_of_steps(folder):
    page, plan, info = report(folder, MLP)
    assert "of roof" not in page.read_text().split('id="report"')[1].split("</script>")[0]
    jinx("bench", plan, "--dim", "batch=64", "--seconds", "0.1", "--steps", "--json", folder / "steps.json")
    jinx("inspect", plan, "--dim", "batch=64", "--measured", folder / "steps.json", "--html", page)
    elements, seen = browse(folder, page)
    check_looks(seen)
    shares = [float(a["data-share"]) for a in elements.with_attribute("data-share")]
    measured = {s["step"]: s["roof_share"] for s in json.loads((folder / "steps.json").read_text())["steps"]}
    assert len(shares) == len(info["steps"]) and shares == [measured[i] for i in range(len(shares))], (shares, measured)


def test_the_page_is_self_contained_and_the_same_each_time(folder):
    texts = []
    for i in range(2):
        (folder / str(i)).mkdir()
        page, plan, _ = report(folder / str(i), MLP)
        texts.append(re.sub(r'"ms":[0-9.e-]+', '"ms":0', page.read_text()).replace(str(folder / str(i)), ""))
        jinx("inspect", plan, "--html", page)
        texts.append(page.read_text().replace(str(folder / str(i)), ""))
    assert texts[0] == texts[2] and texts[1] == texts[3]
    for text in texts:
        links = set(re.findall(r"https?://[^\"'\s)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not links and not re.search(r"\s(src|href)=|url\(|@import|fetch\(|XMLHttpRequest", text), links


def test_what_quantization_did(folder):
    """The page of `quantize --report`: cards, three plots with a bar for each number, a row a layer; names are no HTML."""
    inputs, page, numbers = ROOT / "tests" / "lit" / "driver" / "Inputs", folder / "q.html", folder / "q.json"
    model = folder / "layers.mlir"
    model.write_text((inputs / "layers.mlir").read_text().replace('loc("body/fc1")', 'loc("</script><img src=x onerror=alert(1)> & \\22quotes\\22")'))
    subprocess.run([sys.executable, inputs / "npz.py", folder / "data.npz", "x=f4:12x4x16:1", "v=f4:12x8x8:2"], check=True)
    for report_file in (page, numbers):
        jinx("quantize", model, "--scheme", "int4", "--min-weights", 100, "--calibrate", folder / "data.npz", "--budget", 18, "--report", report_file)
    report = json.loads(numbers.read_text())
    for dark in (False, True):
        elements, seen = browse(folder, page, dark=dark)
        check_looks(seen)
    layers = report["layers"]
    bars = sum(l.get("output_snr_db") is not None for l in layers) + 2 * len(layers) + sum("alone_snr_db" in l for l in layers)
    assert len(elements.of_class("buffer")) == bars, (len(elements.of_class("buffer")), bars)
    assert len(elements.of_class("plot")) == 3
    assert len(elements.of_class("name")) == len(layers)
    assert report["kept_for_budget"] and "img" not in {tag for tag, _ in elements.all}


def test_magika(folder):
    model = named_model("magika")
    page, _, info = report(folder, model)
    for dark in (False, True):
        elements, seen = browse(folder, page, dark=dark)
        check_looks(seen)
    check_counts(elements, seen, info, len(operators_before_fusion(model)))
    check_buffers(elements, info)
    check_selection(folder, page, info)


# ---- all of them -------------------------------------------------------------------------------------------------------------------


def main():
    global BIN
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases; none: all")
    parser.add_argument("--bin", type=pathlib.Path, default=BIN)
    options = parser.parse_args()
    BIN = options.bin.resolve()
    passed = failed = skipped = 0
    for name, case in list(globals().items()):
        if not name.startswith("test_") or (options.names and name not in options.names):
            continue
        with tempfile.TemporaryDirectory(prefix="jinx-pages-") as folder:
            try:
                if not CHROMIUM:
                    raise Skip("there is no chromium: run ./dev setup --pages")
                case(pathlib.Path(folder))
                passed += 1
            except Skip as reason:
                print(f"skipped {name}: {reason}")
                skipped += 1
            except Exception as error:  # an assertion, a time-out, or a fault of the case
                print(f"FAIL {name}: {error}" if isinstance(error, AssertionError) else f"FAIL {name}: {traceback.format_exc()}")
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed + skipped else 77 if not passed else 0)


if __name__ == "__main__":
    main()
