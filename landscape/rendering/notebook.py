"""What a notebook shows of a Scene: an interactive figure where the notebook can, a picture where it cannot."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import sys
from typing import Any

from landscape.rendering.embed import CONFIG, fragment
from landscape.rendering.layout import arrange
from landscape.rendering.matplotlib import encode
from landscape.rendering.plotly import render
from landscape.rendering.plotly.layout import PIXELS
from landscape.rendering.plotly.web import source
from landscape.rendering.scene import Scene

PLOTLY, PNG, HTML, TEXT = "application/vnd.plotly.v1+json", "image/png", "text/html", "text/plain"
HOSTS = ("KAGGLE_KERNEL_RUN_TYPE", "DATABRICKS_RUNTIME_VERSION")
MOST_SPACES = 8  # browsers keep some 16 drawings in space alive in all; as in report.js
LARGEST = 8_000_000  # letters of an interactive figure


def kinds() -> tuple[str, ...]:
    """The kinds of output that this notebook can use, beside text.

    Jupyter and VS Code draw plotly's own kind. Colab, Kaggle and Databricks do not, but run HTML; as they are websites
    themselves, plotly.js may come from the web there, and only there.
    """
    hosted = "google.colab" in sys.modules or any(name in os.environ for name in HOSTS)
    return (HTML if hosted else PLOTLY, PNG)


def output(scene: Scene, kind: str) -> tuple[Any, dict[str, Any]] | None:
    """Draw a scene as a notebook's output.

    Args:
        scene: The figure.
        kind: One of `kinds()`.

    Returns:
        The output and what is to be known of it; None where it would be too large, or have more panels in space than a
        browser can draw.
    """
    if kind == PNG:
        return _picture(scene)
    if sum(panel.kind == "3d" for panel in scene.panels) > MOST_SPACES:
        return None
    if kind == HTML:
        piece = fragment(scene, "", encode(scene, "png"), source())
        return (piece, {}) if len(piece) <= LARGEST else None
    return _interactive(scene)


def _picture(scene: Scene) -> tuple[str, dict[str, Any]]:
    """As large as the interactive figure, in whose place JupyterLab shows it until it is pointed at."""
    sized = dataclasses.replace(scene, style=dataclasses.replace(scene.style, dpi=PIXELS))
    layout = arrange(scene)
    shown = {"width": round(layout.width * PIXELS), "height": round(layout.height * PIXELS)}
    return base64.b64encode(encode(sized, "png")).decode(), shown


def _interactive(scene: Scene) -> tuple[dict[str, Any], dict[str, Any]] | None:
    text = render(scene).to_json(engine="json")
    if len(text) > LARGEST:
        return None
    figure = json.loads(text)
    # Wider cells would stretch what is laid out for this width.
    figure["layout"]["width"] = round(arrange(scene).width * PIXELS)
    return {"data": figure["data"], "layout": figure["layout"], "config": CONFIG}, {}
