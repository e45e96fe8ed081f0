"""Open a page in a real browser without a screen, and tell what became of it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

needed = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
# What a machine without a graphics card says of itself, whatever the page.
_DRIVER = ("WebGL", "GL Driver Message", "willReadFrequently")


def opened(page, folder, probe="", width=900, wait=6000):
    """The page's document after a while, and what its console said.

    `probe` is JavaScript that runs at the end of the page; time passes as fast as the page is quick.
    """
    copy = page.with_name(f"probed_{page.name}")
    text = page.read_text(encoding="utf-8")
    script = f"<script>{probe}</script>"
    copy.write_text(text.replace("</body>", script + "</body>") if "</body>" in text else text + script, "utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    flags += [f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}", f"--virtual-time-budget={wait}"]
    flags += ["--enable-logging=stderr", "--dump-dom", copy.as_uri()]
    done = subprocess.run(["chromium", *flags], capture_output=True, text=True, timeout=400, check=True)
    said = re.findall(r"CONSOLE[:(]\d+\)?\] (.*)", done.stderr)
    return done.stdout, [line for line in said if not any(word in line for word in _DRIVER)]
