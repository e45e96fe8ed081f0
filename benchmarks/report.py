"""Tables and pictures of `benchmarks/README.md`, from the results: `python -m benchmarks.report`."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import RESULTS
from benchmarks.markdown import table
from benchmarks.pictures import draw_pictures, draw_speed
from benchmarks.speed_tables import norms_table, speed_table
from benchmarks.surface_tables import full_surface_table, several_points_table

README = RESULTS.parent / "README.md"
Content = Mapping[str, Any]


def main() -> None:
    """Write what can be written from the results that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the .json files and the pictures")
    parser.add_argument("--readme", type=Path, default=README)
    options = parser.parse_args()
    text = options.readme.read_text(encoding="utf-8")
    for name, (lines, picture) in SECTIONS.items():
        file = options.results / f"{name}.json"
        if not file.exists():
            continue
        content = json.loads(file.read_text(encoding="utf-8"))
        text = filled(text, name, "\n".join([*lines(content), "", environment_line(content)]))
        if picture is not None:
            picture(content, options.results / f"{name}.png")
        print(f"{name}: written", flush=True)
    options.readme.write_text(text, encoding="utf-8")


def filled(text: str, name: str, content: str) -> str:
    """Put content between the two markers of a name.

    Args:
        text: The page.
        name: The name.
        content: What goes there.

    Returns:
        The page with it.

    Raises:
        ValueError: If the page does not have the markers.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the page needs the markers {begin} and {end}")
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def environment_line(content: Content) -> str:
    """One line: when, on what, with what."""
    about = content["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    threads = f"{about['threads']} threads, " if about["threads"] else ""
    gpu = f"{about['gpu']}, " if about["gpu"] else ""
    return (
        f"*{about['date']}; {gpu}{about['processor']}, {about['cores']} cores, {', '.join(about['flags'])}; "
        f"{threads}load {about['load_at_start']} at the start; Python {about['python']}, {versions}.*"
    )


def memory_table(content: Content) -> list[str]:
    """Peaks as multiples of the model's own bytes."""
    found, size = content["results"], content["results"]["model_bytes"]
    rows = [
        [name, f"{row['resident'] / size:.2f}", f"{row['anonymous'] / size:.2f}", f"{row['seconds']:.0f}", _run_by(row)]
        if "reason" not in row
        else [name, row["reason"], "", "", ""]
        for name, row in found["runs"].items()
    ]
    return [
        f"A language model of {size / 4e6:,.0f} million parameters ({size / 1e6:,.0f} MB in fp32), "
        f"{content['settings']['points']} points; the largest activation, the logits, has "
        f"{found['logits_bytes'] / 1e6:.0f} MB and is part of the peaks.",
        "",
        *table(["run, checkpoint", "resident, x model", "anonymous, x model", "seconds", "evaluator"], rows),
    ]


def _run_by(row: Content) -> str:
    return str(row.get("evaluator", ""))


def import_table(content: Content) -> list[str]:
    """Seconds until something happens."""
    rows = [[name, f"{row['median']:.2f}", f"{row['minimum']:.2f}"] for name, row in content["results"].items()]
    return table(["fresh process", "median, s", "minimum, s"], rows)


def scale_table(content: Content) -> list[str]:
    """Cost per point against the size of the grid."""
    rows = [
        [
            f"{row['side']} x {row['side']}",
            f"{1e3 * row['per_point']:.3f}",
            f"{1e3 * row['median_between_points']:.3f}",
            f"{row['longest_pause']:.2f}",
            f"{row['seconds']:.0f}",
            f"{row['bytes'] / 1e6:.1f}",
        ]
        for row in content["results"]
    ]
    head = ["grid", "ms per point, saving included", "median between points", "longest pause, s", "all, s", "file, MB"]
    return table(head, rows)


def picture_table(content: Content) -> list[str]:
    """Adaptive runs, and when the full grid in either order is as right as they are."""
    rows = []
    for name, found in content["results"].items():
        rows.extend([name, f"{one['tolerance']:g}", *_adaptive_cells(found, one)] for one in found["adaptive"])
    head = [
        "surface",
        "tolerance",
        "points",
        "RMS error",
        "coarse to fine, as right after",
        "row order, as right after",
    ]
    real = [
        f"- On the {name} itself: {one['points']:,} of {found['points']:,} points in {one['seconds']:.0f} s instead of "
        f"{found['seconds']:.0f} s at tolerance {one['tolerance']:g}, error {one['error']:.2%}. It said: {one['said']}."
        for name, found in content["results"].items()
        if (one := found.get("on_the_network")) and "reason" not in one
    ]
    return [*table(head, rows), "", *real]


def _adaptive_cells(found: Content, one: Content) -> list[str]:
    if "reason" in one:
        return [str(one["reason"]), "", "", ""]
    others = [
        _as_right(found["curves"][order], one["error"], found["points"]) for order in ("coarse to fine", "row order")
    ]
    return [f"{one['points']:,} ({one['share']:.0%})", f"{one['error']:.2%}", *others]


def _as_right(curve: Sequence[Sequence[float]], error: float, points: int) -> str:
    """The share of points from which on a curve stays below an error."""
    over = [number for number, value in curve if not value <= error]
    later = [number for number, _ in curve if not over or number > over[-1]]
    return f"{later[0] / points:.0%}" if later else "100%"


def drawing_table(content: Content) -> list[str]:
    """Process time and size of pictures and pages."""
    rows = [
        [
            f"{row['side']} x {row['side']}",
            *(row[name] for name in ("figure", "file", "renderer")),
            f"{row['seconds']:.2f}",
            f"{row['bytes'] / 1e6:.1f}",
        ]
        for row in content["results"]
    ]
    return table(["grid", "figure", "file", "drawn by", "process time, s", "file, MB"], rows)


SECTIONS: dict[str, tuple[Callable[[Content], list[str]], Callable[[Content, Path], None] | None]] = {
    "points_per_second": (speed_table, draw_speed),
    "normalizations": (norms_table, None),
    "memory": (memory_table, None),
    "import_time": (import_table, None),
    "time_to_picture": (picture_table, draw_pictures),
    "scale": (scale_table, None),
    "full_surface": (full_surface_table, None),
    "several_points": (several_points_table, None),
    "drawing": (drawing_table, None),
}


if __name__ == "__main__":
    main()
