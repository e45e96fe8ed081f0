"""The command `landscape`: one command a file, imported when it is called."""

from __future__ import annotations

import sys
from typing import Any

import click

import landscape
from landscape.errors import LandscapeError
from landscape.registry import load

COMMANDS = {
    "compute": "landscape.commands.compute:compute",
    "plot": "landscape.commands.plot:plot",
    "compare": "landscape.commands.compare:compare",
    "animate": "landscape.commands.animate:animate",
    "report": "landscape.commands.report:report",
    "check": "landscape.commands.check:check",
    "info": "landscape.commands.info:info",
    "convert": "landscape.commands.convert:convert",
    "models": "landscape.commands.models:models",
    "demo": "landscape.commands.demo:demo",
}


class LazyGroup(click.Group):
    """A group whose commands are import paths."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of daily use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        found = load(COMMANDS[cmd_name]) if cmd_name in COMMANDS else None
        return found if isinstance(found, click.Command) else None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(landscape.__version__, prog_name="landscape")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """See, compare and measure the loss landscape of a trained network.

    \b
    landscape compute --ckpt model.pt     the loss around the trained weights, into model.h5
    landscape plot --3d                   the newest run here, as a picture
    landscape compare a.h5 b.h5           on one scale, with numbers
    landscape check                       would the picture mislead?
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; what a user can mend ends in one sentence and its exit code.

    Args:
        arguments: The words after `landscape`; None for those of this process.

    Raises:
        LandscapeError: With --debug, where it would have been one sentence.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code: Any = cli.main(words, prog_name="landscape", standalone_mode=False)
    except LandscapeError as error:
        if "--debug" in words:
            raise
        click.echo(f"landscape: {error}", err=True)
        code = error.exit_code
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("landscape: stopped before a new point was done", err=True)
        code = 130
    except BrokenPipeError:  # `landscape info | head` is no error
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
