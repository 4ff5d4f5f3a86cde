#!/usr/bin/env python3
"""Does the server's page show, in headless Chromium, what /metrics says? And does it ask for a key where one is needed?

    status_page.py --jinx build/dev/bin/jinx
"""

import html.parser
import pathlib
import shutil
import subprocess
import sys

from server import Server, main_over_model

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(html.parser.HTMLParser):
    """Texts of elements by id, all that is inside; ids of hidden ones."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.texts, self.hidden = [], {}, set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in ("meta", "input", "br"):
            return
        attributes = dict(attributes)
        self.stack.append((tag, attributes.get("id")))
        if attributes.get("id"):
            self.texts[attributes["id"]] = ""
            if "hidden" in attributes:
                self.hidden.add(attributes["id"])

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, name in self.stack:
            if name:
                self.texts[name] += data + " "


def opened(url, folder):
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={pathlib.Path(folder) / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", url]
    return Page(subprocess.run(command, capture_output=True, text=True, timeout=180).stdout)


def check(outcomes, options, plan, model, folder):
    with Server(options.jinx, plan, model, "--pages", 64) as server:
        for seed in range(3):
            server.post("/v1/completions", prompt="Once upon a time", max_tokens=20, seed=seed, ignore_eos=True)
        page = opened(server.url, folder)
        values = server.metrics()
        outcomes.expect("all" not in page.hidden and "key" in page.hidden and page.texts.get("state", "").split() == ["running"], f"the page says {page.texts.get('state')}, hidden {page.hidden}")
        outcomes.expect("length 3" in " ".join(page.texts["outcomes"].split()), f"requests: {page.texts['outcomes']}")
        cached = int(values['jinx_pages{state="cached"}'])
        outcomes.expect(" ".join(page.texts["pages"].split()) == f"0 of 64 in use, {cached} can be found again", f"pages: {page.texts['pages']}")
        rows = " ".join(page.texts["latencies"].split())
        outcomes.expect("to the first token" in rows and rows.count(" ms") + rows.count(" s") >= 20 and " 57" in rows, f"latencies: {rows}")
        server.end()
    keys = pathlib.Path(folder) / "keys"
    keys.write_text("sk-example-1\n")
    with Server(options.jinx, plan, model, "--pages", 64, "--api-key-file", keys) as server:
        page = opened(server.url, folder)
        outcomes.expect("all" in page.hidden and "key" not in page.hidden, f"with keys: hidden {page.hidden}, {page.texts.get('state')}")


if __name__ == "__main__":
    sys.exit(main_over_model(__doc__, check, needs=None if CHROMIUM else "there is no chromium: run ./dev setup --pages"))
