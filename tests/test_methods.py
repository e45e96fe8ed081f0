"""Methods in words: every number is the surface's, what was used is cited, and nothing else."""

import dataclasses
import re

import numpy as np
import pytest
from surfaces import broken, stacked, surface, valley

import landscape
from landscape.commands.main import main
from landscape.errors import LandscapeError
from landscape.reports.bibliography import EVERY, FILTERS, LINES
from landscape.reports.methods import explain
from landscape.storage.file import save
from landscape.types import Axis
from landscape.types.job import UNKNOWN

VERSIONS = {"landscape": "0.1.0", "torch": "2.9.1", "numpy": "2.4.0"}


def made(source, **provenance):
    """The surface with what a run records of itself, and with standard errors."""
    loss = np.asarray(source["test/loss"])
    more = {"test/loss_rise_stderr": 0.01 * loss, "test/loss_stderr": 0.02 * loss}
    centre = {"test": {"loss": 0.51234, "loss_stderr": 0.0234, "accuracy": 0.8765, "count": 200.0}}
    kept = {"versions": VERSIONS, "machine": "cpu, x86_64, linux", "cosine": -0.0123, **provenance}
    return dataclasses.replace(
        source, quantities={**source.quantities, **more}, centre=centre, provenance={**source.provenance, **kept}
    )


def paragraph(*surfaces, **options):
    return " ".join(explain(list(surfaces), **options).partition("References")[0].split())


def test_the_numbers_are_those_of_the_surface():
    source = made(valley(seed=7, samples="200"))
    errors = source["test/loss_rise_stderr"]
    said = paragraph(source)
    for phrase in (
        "the cross-entropy loss on 200 test examples of set.npz (a fixed random subset), in a plane",
        "the trained weights of net.pt (lenet): at 13 × 9 points, α from −1 to 1 and β from −1 to 1.",
        "from a standard normal distribution with the seed 7",
        "The cosine between the two directions is −0.012.",
        "the loss (± one standard error) is 0.5123 ± 0.023 and the accuracy 87.65 % (test).",
        f"{np.median(errors):.2g} in the median over the points and at most {errors.max():.2g}.",
        "by landscape 0.1.0 with PyTorch 2.9.1",
        "the precision of the networks is fp32.",
    ):
        assert phrase in said
    known = {"200", "13", "9", "1", "7", "0.012", "0.5123", "0.023", "87.65", "0.1.0", "2.9.1", "64", "86", "32"}
    known |= {f"{np.median(errors):.2g}", f"{errors.max():.2g}", "2018", "2015", "2019"}
    assert set(re.findall(r"\d+(?:\.\d+)*", said)) <= known


@pytest.mark.parametrize(
    ("settings", "said", "cited"),
    [
        ({}, "normalised filter by filter to the norm of the filter that it moves", True),
        ({}, "1 on an axis is a perturbation of every filter as long as the filter itself", True),
        ({"normalize": "layer"}, "1 on an axis is a perturbation of every layer as long as the layer itself", True),
        ({"normalize": "none"}, "with the seed 0 and not normalised; 1 on an axis adds a standard normal", False),
        ({"normalize": "dfilter"}, "by a vector of norm 1", False),
        ({"perturb": "all"}, "All parameters were perturbed.", True),
        ({"perturb": "weights+bias"}, "Weights and biases were perturbed;", True),
        ({"fold_bn": True}, "BatchNorm had been folded into the weights", True),
        ({"bn_stats": "batch", "bn_batch_size": 64}, "were those of each batch of 64 examples (batch)", True),
        ({"directions": "plane.h5"}, "The directions are those of the file plane.h5, taken as they are.", False),
        ({"directions": "plane(b.pt, c.pt)"}, "The plane runs, in all parameters, through b.pt and c.pt, at 1", False),
        ({"precision": "bf16"}, "the precision of the networks is bf16", True),
        ({"samples": "first:200"}, "(the first of them)", True),
        ({"samples": "all"}, "on 200 test examples of set.npz, in a plane", True),
        ({"loss": "mse"}, "We measured the mean squared error on", True),
    ],
)
def test_what_was_done_is_said_and_only_what_was_used_is_cited(settings, said, cited):
    text = explain(made(valley(**settings)))
    assert said in " ".join(text.split())
    assert (FILTERS.key in text) == cited
    assert (FILTERS.title in " ".join(text.split())) == cited


def test_recalibration_names_its_images_and_all_policies_are_told_apart():
    said = paragraph(stacked(valley(), policies=True, drift=True))
    for phrase in (
        "those of the checkpoint at every point (frozen), those of each batch of 128 examples (batch) and "
        "estimated anew at every point from 1,000 images of set.npz (crop4-flip), in batches of 128",
        "0.5 and the accuracy 90.00 % (test, frozen), 0.5 and the accuracy 90.00 % (test, batch) and",
        "is at most 0.038 nats (0.0047 between halves of the calibration images).",
        "(Izmailov et al., 2018)",
    ):
        assert phrase in said
    drift = stacked(valley(), policies=True, drift=True)["statistics/drift"]
    assert f"{drift.max():.2g} nats ({drift.max() / 8:.2g} between" in said


def test_a_network_without_statistics_has_no_word_of_them():
    text = explain(made(valley(), statistics_layers=0))
    assert "BatchNorm (" not in text
    assert "ioffe2015batch" not in text


def test_an_adaptive_run_says_how_much_was_measured_and_how_good_the_rest_is():
    counts = np.full((13, 9), 200)
    counts[::2, 1::2] = 0
    source = made(surface(valley()["loss"], count=counts, adaptive=0.02))
    told = {"adaptive": [{"finished": True, "rms": 0.0034}]}
    said = paragraph(dataclasses.replace(source, provenance={**source.provenance, **told}))
    assert f"to a tolerance of 0.02 of the range of the picture: {(counts > 0).sum()} of 117 were measured" in said
    assert "with an RMS error of about 0.34 % of the range." in said


def test_precision_comes_with_its_measured_error():
    said = paragraph(made(valley(precision="bf16"), precision={"error": 0.0012, "points": 9}))
    assert "is bf16: the loss errs by at most 0.12 % at 9 probe points." in said


def test_an_unfinished_run_says_so():
    said = paragraph(made(broken(valley(), undone=[(0, 0), (1, 1)])))
    assert "The run is not finished: 115 of 117 points are measured." in said


def test_repeats_and_lines():
    said = paragraph(stacked(surface(np.arange(5.0)), repeats=3))
    assert "in a line through the trained weights of net.pt (lenet): at 5 points, α from −1 to 1." in said
    assert "The direction was drawn, 3 times independently, from" in said
    assert LINES.key in explain(surface(np.arange(5.0), directions="to(b.pt)"))


def test_what_several_surfaces_share_is_said_once_and_what_differs_of_each():
    said = paragraph(made(valley(name="a.pt")), made(valley(name="b.pt", steep=2.0), cosine=0.2))
    assert said.count("standard normal distribution") == 1
    assert "the trained weights of a.pt (lenet) and b.pt (lenet): at 13 × 9 points" in said
    assert "The cosine between the two directions is −0.012 for a; 0.2 for b." in said
    apart = paragraph(made(valley(name="a.pt")), made(valley(name="b.pt", normalize="layer")))
    assert "For a: the two directions were drawn" in apart
    assert "For b: the two directions were drawn" in apart
    assert "(1)" in paragraph(made(valley(seed=1)), made(valley(seed=2)))


def test_an_imported_surface_claims_nothing_that_is_not_known():
    unknown = {"directions": UNKNOWN, "precision": UNKNOWN, "loss": UNKNOWN, "model": UNKNOWN, "data": UNKNOWN}
    source = valley(**unknown, samples=UNKNOWN, normalize="imported", perturb="imported")
    source = dataclasses.replace(source, centre={"test": {}}, provenance={"imported": {"file": "old.h5"}})
    text = explain(source)
    assert UNKNOWN not in text
    assert (
        "We measured the loss on the test split, in a plane through the trained weights of net.pt: at"
        in text.replace("\n", " ")
    )
    assert "imported from old.h5." in text
    assert "References" not in text


def test_every_publication_has_text_and_an_entry_that_parses():
    assert len({one.key for one in EVERY}) == len(EVERY)
    for one in EVERY:
        assert re.fullmatch(r"@\w+\{\w+,\n(  \w+ = \{.+\},?\n)+\}", one.bibtex)
        assert one.bibtex.count("{") == one.bibtex.count("}")
        assert one.cited.split(",")[0].split(" ")[0] in one.text
        assert one.address in one.text


def test_text_of_files_stays_on_the_page():
    text = explain(made(valley(name="a\x1b[31m\n@book{x,.pt")))
    assert "\x1b" not in text
    assert "\n@book" not in text


def test_the_verb_and_the_commands_print_it(tmp_path, capsys):
    paths = []
    for name in "ab":
        paths.append(str(tmp_path / f"{name}.h5"))
        save(made(valley(5, 5, name=f"{name}.pt", x=Axis.regular(-1, 1, 5))), paths[-1])
    assert landscape.explain(*paths) == explain([landscape.load(path) for path in paths])
    with pytest.raises(LandscapeError, match="there is no surface to explain"):
        landscape.explain()
    for words, expected in (
        (["plot", paths[0], "--explain", "-o", str(tmp_path / "x.png")], landscape.explain(paths[0])),
        (["compare", *paths, "--no-figure", "--explain"], landscape.explain(*paths, compared=True)),
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0
        assert capsys.readouterr().out.endswith(f"\n\n{expected}")


def test_intervals_are_cited_where_draws_or_networks_are_compared():
    several = stacked(surface(np.arange(5.0)), repeats=3)
    assert "Efron" in landscape.explain(several, several, compared=True)
    assert "Efron" not in landscape.explain(several, several)
