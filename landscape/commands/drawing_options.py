"""Options of every command that draws: what of the values is shown, and how the figure looks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from landscape.errors import LandscapeError

Command = Callable[..., Any]


def numbers(text: str | None, option: str, example: str, separator: str = ",") -> tuple[float, float] | None:
    """Read two numbers.

    Args:
        text: What was typed, or None.
        option: The option, for the message.
        example: What it could be.
        separator: What stands between them.

    Returns:
        The numbers, or None where nothing was typed.

    Raises:
        LandscapeError: If it is something else.
    """
    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.lower().split(separator))
    except ValueError as error:
        raise LandscapeError(f"{option} is two numbers, for example {example}, not {text!r}") from error
    return first, second


def chosen_levels(text: str | None) -> int | list[float] | None:
    """Read `--levels`: a number of levels, or the levels with commas.

    Args:
        text: What was typed, or None.

    Returns:
        The number or the levels.

    Raises:
        BadParameter: If it is neither.
    """
    if text is None:
        return None
    try:
        return int(text) if text.isdigit() else [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            "it is a number of levels, or the levels with commas", param_hint="--levels"
        ) from error


_VALUES = (
    click.option(
        "--metric",
        "quantity",
        default="loss",
        show_default=True,
        help="What to draw: loss, accuracy, loss_stderr, SPLIT/NAME, or drift (of BatchNorm's statistics).",
    ),
    click.option(
        "--log/--linear", "log", default=None, help="Scale of the values; without either, chosen by their range."
    ),
    click.option("--clip", type=float, help="Draw values above this as this."),
    click.option(
        "--levels",
        metavar="N|A,B,C",
        help="How many contour levels, or which.",
        callback=lambda context, parameter, text: chosen_levels(text),
    ),
    click.option("--vmin", type=float, help="Lower end of the scale, exactly; chosen by the values if left out."),
    click.option("--vmax", type=float, help="Upper end of the scale, exactly."),
)
_LOOKS = (
    click.option(
        "--style",
        default="default",
        show_default=True,
        metavar="NAME",
        help="default, paper (the look of Li et al. 2018), dark, mono (in grey) or talk (large).",
    ),
    click.option(
        "--view",
        metavar="ELEV,AZIM",
        help="Viewpoint in degrees: over the floor, and around; 30,-58 if left out.",
        callback=lambda context, parameter, text: numbers(text, "--view", "30,-58"),
    ),
    click.option(
        "--size",
        metavar="WxH",
        help="Width x height of the whole figure, in inches: 3.3x3.",
        callback=lambda context, parameter, text: numbers(text, "--size", "3.3x3 (inches)", "x"),
    ),
    click.option("--dpi", type=float, help="Pixels per inch.  [default: 200; paper: 300]"),
    click.option(
        "--cmap",
        metavar="NAME",
        help="Colour map: viridis, cividis, magma, inferno, plasma, batlow, greys; of differences RdBu, vik, "
        "berlin; NAME_r runs the other way.",
    ),
    click.option("--title", metavar="TEXT", help='Title of the figure; "" for none.'),
    click.option("--no-caption", "caption", flag_value=False, default=True, help="Leave out the text below."),
    click.option("--transparent", is_flag=True, help="Without a page behind."),
    click.option("--tex", is_flag=True, help="Letters set by LaTeX, where it is installed (png, pdf, svg)."),
)

renderer_option = click.option(
    "--renderer",
    metavar="NAME",
    help="matplotlib; plotly, for html; or vtk, which lights surfaces in space with soft shadows (png, pdf, svg; needs "
    "pip install 'landscape-viz[vtk]').",
)


def value_options(command: Command) -> Command:
    """Add the options about values; the command takes them together, as `values`.

    Args:
        command: Takes `values`, the settings of `landscape.plot` that are about values.

    Returns:
        The command with its options.
    """
    return _collected(command, "values", ("quantity", "log", "clip", "levels", "vmin", "vmax"), _VALUES)


def appearance_options(command: Command) -> Command:
    """Add the options about looks; the command takes them together, as `looks`.

    Args:
        command: Takes `looks`, the fields of `landscape.rendering.appearance.Appearance`.

    Returns:
        The command with its options.
    """
    names = ("style", "view", "size", "dpi", "cmap", "title", "caption", "transparent", "tex")
    return _collected(command, "looks", names, _LOOKS)


def _collected(command: Command, name: str, parts: tuple[str, ...], options: tuple[Any, ...]) -> Command:
    @functools.wraps(command)
    def collecting(**given: Any) -> Any:
        together = {part: given.pop(part) for part in parts}
        return command(**{name: together}, **given)

    for option in reversed(options):
        collecting = option(collecting)
    return collecting
