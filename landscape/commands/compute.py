"""`landscape compute`: from a checkpoint to a surface in a file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click


@click.command(short_help="Evaluate the loss on a grid around the trained weights.")
@click.option("--ckpt", required=True, type=click.Path(), help="The checkpoint: .pt, .pth, .ckpt, .safetensors, ...")
@click.option(
    "--model",
    metavar="SPEC",
    help="resnet20, \"resnet(depth=56, norm='none')\", torchvision:NAME, timm:NAME "
    "or nets.py:build; without it the model is recognised by its weights.",
)
@click.option(
    "--data",
    metavar="SPEC",
    help="fashion-mnist-mini, \"cifar10(root='data')\", set.npz, folder/ or "
    "data.py:loader; settings in parentheses: mean=, std=, root=, download=True.",
)
@click.option("--split", multiple=True, default=["test"], show_default=True, help="Which part of the data; repeatable.")
@click.option(
    "--samples",
    default="all",
    show_default=True,
    metavar="N|first:N|auto",
    help="A fixed subset: N at random (the same for every seed), the first N, or as many as the picture needs.",
)
@click.option(
    "--loss",
    default="cross-entropy",
    show_default=True,
    metavar="SPEC",
    help="cross-entropy, mse, softmax-mse or file.py:function, one number per example.",
)
@click.option(
    "--metric",
    multiple=True,
    metavar="SPEC",
    help="More to measure: accuracy (on with cross-entropy), top-k-accuracy(k=5), mse, file.py:function; repeatable.",
)
@click.option(
    "--x",
    default="-1:1:51",
    show_default=True,
    metavar="MIN:MAX:N",
    help="Points along the first direction; 1 moves each filter by its own norm. Commas list single points: 0,0.1,0.5.",
)
@click.option(
    "--y",
    default="-1:1:51",
    show_default=True,
    metavar="MIN:MAX:N|none",
    help="Points along the second direction; none for a line.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random directions.")
@click.option(
    "--directions",
    default="random",
    show_default=True,
    metavar="SPEC",
    help='random, a direction file (ours or the 2018 tool\'s), "to(b.pt)" for the line to another checkpoint, or '
    '"plane(b.pt, c.pt)" for the plane through two.',
)
@click.option("--save-directions", is_flag=True, help="Keep the directions' tensors in <out>.directions.h5.")
@click.option(
    "--normalize",
    default="filter",
    show_default=True,
    type=click.Choice(["filter", "layer", "weight", "dfilter", "dlayer", "none"]),
    help="Scale of the random directions: each filter gets the norm of its weight (Li et al. 2018), each "
    "layer does, each element times its weight, unit filters, unit layers, or as drawn.",
)
@click.option(
    "--perturb",
    default="weights",
    show_default=True,
    type=click.Choice(["weights", "weights+bias", "all"]),
    help="What moves; the rest, normalization layers above all, stays fixed.",
)
@click.option(
    "--parametrization",
    default="effective",
    show_default=True,
    type=click.Choice(["effective", "raw"]),
    help="Move the weights that weight norm and the like compute, or the stored tensors.",
)
@click.option(
    "--role",
    multiple=True,
    metavar="PATTERN=ROLE:AXIS",
    help="Say what parameters are: --role '*.gate=weight:0'; repeatable.",
)
@click.option(
    "--bn-stats",
    type=click.Choice(["frozen", "batch", "recalibrate", "all"]),
    help="BatchNorm's statistics at a point: frozen, those of the checkpoint; batch, those of each batch; recalibrate, "
    "estimated anew over calibration images; or all three on the same directions. Default: frozen, and recalibrate "
    "for directions to other checkpoints.",
)
@click.option(
    "--bn-data",
    metavar="SPEC",
    help="Calibration images, as --data; \"train.npz(augment='crop4-flip')\" for a network that was trained with crops "
    "and flips. Default: the training split of --data.",
)
@click.option("--bn-samples", metavar="N|first:N", help="How many of them, at least 4. Default: 1000.")
@click.option(
    "--bn-batch-size",
    type=int,
    metavar="N",
    help="Batches whose statistics are taken (batch, recalibrate). Default: 128.",
)
@click.option("--bn-layers", is_flag=True, help="Store the drift of the statistics layer by layer, too.")
@click.option(
    "--fold-bn",
    is_flag=True,
    help="Fold BatchNorm into the weights first; only with another --normalize than filter or with perturbed biases: "
    "else it changes nothing but the signs of the draws, by that of gamma in each filter.",
)
@click.option(
    "--repeats", default=1, show_default=True, help="Independent draws of the directions, for numbers with intervals."
)
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    type=click.Choice(["fp32", "tf32", "bf16", "fp16", "auto"]),
    help="Arithmetic of the forward pass: strict float32, or a quicker one whose error is measured and stored; auto "
    "takes the quickest that errs by less than --tolerance.",
)
@click.option("--tolerance", type=float, metavar="ERROR", help="Relative error that auto may make. Default: 0.01.")
@click.option(
    "--correct",
    is_flag=True,
    help="Evaluate a tenth of the examples (at least 300) in fp32, too, and correct a lower precision by the "
    "difference, shrunken by its noise.",
)
@click.option(
    "--adaptive",
    metavar="TOL",
    help="Measure fewer points: refine only where the picture errs by more than this fraction of its range, e.g. 0.02.",
)
@click.option(
    "--low-memory",
    is_flag=True,
    help="Draw the directions and read the data anew at every point instead of keeping them, for networks that barely "
    "fit in memory.",
)
@click.option(
    "--evaluator",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "eager", "compiled"]),
    help="auto takes the quickest that computes the same up to rounding; eager the network itself; compiled what "
    "torch.compile makes of it.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--batch-size",
    default="auto",
    show_default=True,
    metavar="auto|N",
    help="Examples at a time; halved where memory runs out.",
)
@click.option(
    "--out",
    type=click.Path(),
    metavar="FILE.h5",
    help="Where the surface goes; default: <checkpoint>.h5 in this folder. The same command resumes.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file of another run.")
@click.option("--weights", metavar="KEY", help="Which weights of a checkpoint that holds several, for example ema.")
@click.option("--trust", is_flag=True, help="Load files that can run code: whole pickled modules, .pt2 archives.")
def compute(**options: Any) -> None:
    """Evaluate loss and accuracy on a grid around the trained weights, and store them in one HDF5 file.

    The grid is spanned by two random directions in which every filter has the norm of the trained filter. What is not
    given is inferred from the checkpoint and said, or asked for. Ctrl-C saves; the same command goes on.

    \b
    landscape compute --ckpt model.pt
    landscape compute --ckpt model.pt --data "cifar10(root='data')" --samples 1000
    landscape compute --ckpt model.pt --model nets.py:build --data data.py:loader --y none
    """
    import landscape

    out = options.pop("out") or f"{Path(options['ckpt']).stem}.h5"
    if options["batch_size"].isdigit():
        options["batch_size"] = int(options["batch_size"])
    options["adaptive"] = _number(options["adaptive"])
    command = shlex.join(["landscape", *sys.argv[1:]])
    surface = landscape.compute(**options, out=out, command=command)
    click.echo(summary(surface))


def _number(text: str | None) -> float | str | None:
    """The number that a text is, or the text itself: what it should have been is said where it is used."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def summary(surface: Any) -> str:
    """What a finished run says on stdout: where the file is, the centre, the range, and what to do next."""
    import numpy as np

    from landscape.storage.text import centres

    lines = [surface.path, *(f"trained weights, {line}" for line in centres(surface))]
    for split in surface.splits:
        loss = surface[f"{split}/loss"]
        finite = loss[np.isfinite(loss)]
        spread = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "nowhere finite"
        lines.append(f"{split} loss on the grid: {spread}")
    lines += [str(told["said"]) for told in surface.provenance.get("adaptive", ()) if told["finished"]]
    options = "--3d, --1d, -o figure.pdf" if len(surface.grid.axes) > 1 else "-o figure.pdf"
    lines.append(f"next: landscape plot {shlex.quote(surface.path)}   ({options})")
    return "\n".join(lines)
