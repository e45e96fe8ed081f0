"""A report as one HTML file that asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from landscape.rendering.escaping import script_json
from landscape.rendering.matplotlib import encode
from landscape.rendering.names import policy_words
from landscape.rendering.notebook import MOST_SPACES
from landscape.rendering.planes import centre_note
from landscape.rendering.plotly import library
from landscape.rendering.scene import Note
from landscape.reports.cells import label, matrix, references
from landscape.reports.introduction import introduction, perturbed
from landscape.reports.report import Report
from landscape.reports.report_panels import content
from landscape.reports.report_pictures import Picture, pictures
from landscape.storage.text import described, described_json
from landscape.types import POLICIES

SCRIPTS = ("data.js", "looks.js", "plane.js", "space.js", "line.js", "report.js")
PARTS = {
    "pictures": "Pictures",
    "verdicts": "Verdicts",
    "numbers": "Numbers",
    "provenance": "Provenance",
    "redo": "Redo it",
    "methods": "Methods and references",
}
# plotly.js compiles functions for surfaces in space, and draws in workers.
_POLICY = (
    "default-src 'none'; img-src data: blob:; font-src data:; style-src 'unsafe-inline'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'"
)


def page(report: Report, static: bool = False, version: str = "") -> str:
    """Write a report as HTML.

    Every text is escaped: names of checkpoints, data and files come from elsewhere. Scripts run that this page was
    written with, and no others, whatever a text holds.

    Args:
        report: The report.
        static: Whether to leave out all scripts, and with them what is interactive.
        version: Of the package.

    Returns:
        The page.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    scripts = {} if static else {"library": library(), "script": _script()}
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_read("report.html"))
    data = {} if static else content(report)
    values: dict[str, Any] = {
        **_words(report, version, data),
        "live": not static,
        "policy": _security(scripts),
        "style": Markup(_read("report.css")),
        "data": Markup(script_json(json.dumps(data, allow_nan=False, separators=(",", ":")))),
        **{name: Markup(text) for name, text in scripts.items()},
    }
    return template.render(values)


def _words(report: Report, version: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """All that the page says."""
    comparison = report.comparison
    said = introduction(comparison)
    return {
        "title": report.title,
        "version": version,
        "parts": PARTS.items(),
        "measured": f"{said[0][:1].upper()}{said[0][1:]}.",
        "how_to_read": report.how_to_read,
        "panels": [] if report.is_line else _panels(report),
        "policies": _policies(report),
        "pictures": [_shown(picture) for picture in pictures(report)],
        "notes": list(_notes(report, data)),
        "verdicts": report.verdicts,
        "cautions": report.cautions,
        **_table(report),
        "introduction": said,
        "perturbed": perturbed(comparison),
        "files": [
            {
                "name": file.name,
                "description": described(file.surface),
                "everything": json.dumps(described_json(file.surface), indent=1),
            }
            for file in report.files
        ],
        "commands": report.commands,
        "methods": report.methods,
        "references": report.references,
    }


def _panels(report: Report) -> list[dict[str, str]]:
    """The head of every panel."""
    found = []
    for surface, named in zip(report.shown, report.called, strict=True):
        notes = [mark.text for mark in centre_note(surface, report.quantity) if isinstance(mark, Note)]
        found.append({"name": named.name, "detail": named.detail, "centre": notes[0] if notes else ""})
    return found


def _notes(report: Report, data: Mapping[str, Any]) -> Iterator[str]:
    """What is to be said of the interactive pictures alone."""
    if len(report.shown) > MOST_SPACES and not report.is_line:
        yield (
            f"A browser draws no more than some {MOST_SPACES} surfaces in space at once: where more of them are shown, "
            "each has a button that draws it."
        )
    thinned = {
        f"{len(panel['x'])} x {len(panel['y'])} of {panel['of'][0]} x {panel['of'][1]} points"
        for panel in data.get("panels", [])
        if panel.get("of")
    }
    if thinned:
        yield f"Drawn for the screen with {', '.join(sorted(thinned))}; the numbers are taken of all points."


def _policies(report: Report) -> list[tuple[str, str]]:
    """The policies that a reader may choose from; none where there is one."""
    there = {surface.job.bn_stats for surface in report.shown}
    return [(policy, policy_words(policy)) for policy in POLICIES if policy in there] if len(there) > 1 else []


def _table(report: Report) -> dict[str, Any]:
    contenders, against = report.comparison.contenders, references(report.comparison)
    return {
        "columns": [
            {"title": one.title, "against": "" if other is None else contenders[other].title}
            for one, other in zip(contenders, against, strict=True)
        ],
        "rows": [
            {"label": label(measure), "definition": measure.definition, "cells": cells}
            for measure, cells in matrix(report.comparison)
        ],
    }


def _shown(picture: Picture) -> dict[str, Any]:
    """A still picture as an image of the page."""
    image = encode(picture.scene, "png")
    width, height = struct.unpack(">II", image[16:24])  # of every PNG file
    scale = 96 / picture.scene.style.dpi
    return {
        "source": "data:image/png;base64," + base64.b64encode(image).decode(),
        "alt": picture.scene.summary or picture.heading,
        "width": round(width * scale),
        "height": round(height * scale),
        "heading": picture.heading,
        "always": picture.always,
        "caption": picture.caption.splitlines(),
    }


def _script() -> str:
    return '(function () {\n"use strict";\n' + "\n".join(map(_read, SCRIPTS)) + "})();\n"


def _security(scripts: Mapping[str, str]) -> str:
    """Which scripts may run: those with these digests."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts.values()]
    allowed = " ".join(["'unsafe-eval'", *(f"'sha256-{digest}'" for digest in digests)])
    return f"{_POLICY}; script-src {allowed}" if scripts else _POLICY


def _read(name: str) -> str:
    return (importlib.resources.files("landscape.reports") / "web" / name).read_text(encoding="utf-8")
