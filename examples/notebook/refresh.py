"""Run the notebook and keep its outputs as text and still pictures, so that it reads well where nothing runs.

pip install nbclient ipykernel
python examples/notebook/refresh.py
"""

from __future__ import annotations

import base64
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).with_name("landscape.ipynb")
KEPT = ("text/plain", "image/png")


def executed(path: Path = NOTEBOOK, timeout: int = 600) -> Any:
    """Run a notebook in a kernel of its own.

    Args:
        path: The notebook.
        timeout: Seconds that a cell may take.

    Returns:
        The notebook with its outputs.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=timeout, kernel_name="python3").execute()
    return notebook


def stilled(notebook: Any) -> Any:
    """Leave out of a notebook what is interactive, what differs between two runs, and progress.

    Args:
        notebook: A notebook with outputs; it is changed.

    Returns:
        The same notebook.
    """
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            still = [_still(one) for one in cell.outputs if one.get("name") != "stderr"]
            cell.outputs = [one for one in still if one.get("data") != {}]
    return notebook


def _still(output: Any) -> Any:
    if "data" in output:
        output.data = {kind: output.data[kind] for kind in KEPT if kind in output.data}
        folder = re.escape(tempfile.gettempdir()) + r"/\w+/"
        if "text/plain" in output.data:
            output.data["text/plain"] = re.sub(folder, "", output.data["text/plain"])
        if "image/png" in output.data:
            output.data["image/png"] = _smaller(output.data["image/png"])
    return output


def _smaller(picture: str) -> str:
    """A picture in 256 colours, which is a third of the letters."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as full:
        full.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


if __name__ == "__main__":
    nbformat.write(stilled(executed()), NOTEBOOK)
