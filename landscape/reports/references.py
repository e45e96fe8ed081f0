"""What a report cites, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from landscape.reports.report import Report


@dataclass(frozen=True)
class Reference:
    """A publication.

    Attributes:
        text: Authors, title, where and when.
        address: Where it is.
        why: What of the report rests on it.
    """

    text: str
    address: str
    why: str


_FILTER = Reference(
    "H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein. Visualizing the Loss Landscape of Neural Nets. NeurIPS 2018.",
    "https://arxiv.org/abs/1712.09913",
    "planes through the trained weights; random directions normalised filter by filter",
)
_LINES = Reference(
    "I. Goodfellow, O. Vinyals, A. Saxe. Qualitatively Characterizing Neural Network Optimization Problems. ICLR 2015.",
    "https://arxiv.org/abs/1412.6544",
    "the loss along lines between weights",
)
_SCALE = Reference(
    "L. Dinh, R. Pascanu, S. Bengio, Y. Bengio. Sharp Minima Can Generalize For Deep Nets. ICML 2017.",
    "https://arxiv.org/abs/1703.04933",
    "why widths and curvatures mean little without a normalization, and are no verdict on generalisation",
)
_BATCHNORM = Reference(
    "S. Ioffe, C. Szegedy. Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate "
    "Shift. ICML 2015.",
    "https://arxiv.org/abs/1502.03167",
    "the statistics that are frozen, taken of each batch, or recalibrated",
)
_BOOTSTRAP = Reference(
    "B. Efron, R. Tibshirani. An Introduction to the Bootstrap. Chapman and Hall, 1993.",
    "https://doi.org/10.1201/9780429246593",
    "the intervals",
)


def references(report: Report) -> list[Reference]:
    """List what a report rests on.

    Args:
        report: The report.

    Returns:
        Publications, the most important first.
    """
    surfaces = [file.surface for file in report.files]
    jobs = [surface.job for surface in surfaces]
    statistics = any(surface.provenance.get("statistics_layers") for surface in surfaces)
    wanted = {
        _FILTER: any(job.directions == "random" for job in jobs),
        _LINES: any(job.y == "none" or job.directions != "random" for job in jobs),
        _SCALE: True,
        _BATCHNORM: statistics or any(job.bn_stats != "frozen" for job in jobs),
        _BOOTSTRAP: report.intervals,
    }
    return [reference for reference, there in wanted.items() if there]
