"""A report as files: one page, or a document with its pictures beside it."""

from __future__ import annotations

from pathlib import Path

from landscape.errors import LandscapeError, SurroundingsError, listed
from landscape.rendering import save
from landscape.reports.report import Report
from landscape.reports.report_pictures import Picture, pictures

PICTURES = {".md": ".png", ".tex": ".pdf"}


def check_report_path(path: str | Path, static: bool = False) -> None:
    """Refuse a name whose suffix is no kind of report, before anything is computed.

    Args:
        path: Where the report is to go.
        static: Whether it is to be a page without scripts.

    Raises:
        LandscapeError: If the suffix is unknown, or there is nothing that could be static.
    """
    suffix, known = Path(path).suffix.lower(), (".html", *PICTURES)
    if suffix not in known:
        raise LandscapeError(f"a report's name must end in one of {listed(known)}, and {Path(path).name!r} does not")
    if static and suffix in PICTURES:
        raise LandscapeError(f"--static leaves the scripts out of a page, .html; a {suffix} report has none")


def write(report: Report, path: Path, static: bool = False, version: str = "") -> list[Path]:
    """Write a report; the suffix says how.

    Args:
        report: The report.
        path: A file name ending in .html, .md or .tex.
        static: Whether to leave the scripts out of a page.
        version: Of the package.

    Returns:
        The files that were written: the report, and the pictures beside it, `<name>_surfaces.png` and so on.

    Raises:
        LandscapeError: If the suffix is unknown.
        SurroundingsError: If a file cannot be written.
    """
    check_report_path(path, static)
    suffix = path.suffix.lower()
    if suffix == ".html":
        from landscape.reports.report_page import page

        return [_written(path, page(report, static, version))]
    from landscape.reports.report_latex import latex
    from landscape.reports.report_markdown import markdown

    shown = list(pictures(report))
    places = [save(each.scene, path.with_name(f"{path.stem}_{each.name}{PICTURES[suffix]}")) for each in shown]
    named: list[tuple[Picture, str]] = [(each, place.name) for each, place in zip(shown, places, strict=True)]
    text = (markdown if suffix == ".md" else latex)(report, named, version)
    return [_written(path, text), *places]


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise SurroundingsError(f"cannot write the report {str(path)!r}: {error.strerror or error}") from error
    return path
