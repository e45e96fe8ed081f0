"""Publications that figures rest on, as lines of text and as BibTeX."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Publication:
    """A publication.

    Attributes:
        key: Its key in BibTeX.
        authors: `Family, Given` for each.
        title: Its title.
        venue: The conference, journal or publisher.
        year: The year.
        address: Where it is.
        kind: The type of its entry in BibTeX.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    address: str
    kind: str = "inproceedings"

    @property
    def cited(self) -> str:
        """How it is cited in a sentence: `Li et al., 2018`."""
        families = [author.partition(",")[0] for author in self.authors]
        named = f"{families[0]} et al." if len(families) > 2 else " and ".join(families)
        return f"{named}, {self.year}"

    @property
    def text(self) -> str:
        """One line of a list of references."""
        names = []
        for author in self.authors:
            family, _, given = author.partition(", ")
            names.append(" ".join([*(f"{part[0]}." for part in given.split()), family]))
        return f"{', '.join(names)}. {self.title}. {self.venue}, {self.year}. {self.address}"

    @property
    def bibtex(self) -> str:
        """An entry of a BibTeX file."""
        where = {"inproceedings": "booktitle", "book": "publisher", "article": "journal"}[self.kind]
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            where: self.venue,
            "year": str(self.year),
            "url": self.address,
        }
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        return f"@{self.kind}{{{self.key},\n{lines}\n}}"


FILTERS = Publication(
    "li2018visualizing",
    ("Li, Hao", "Xu, Zheng", "Taylor, Gavin", "Studer, Christoph", "Goldstein, Tom"),
    "Visualizing the Loss Landscape of Neural Nets",
    "Advances in Neural Information Processing Systems 31",
    2018,
    "https://arxiv.org/abs/1712.09913",
)
LINES = Publication(
    "goodfellow2015qualitatively",
    ("Goodfellow, Ian J.", "Vinyals, Oriol", "Saxe, Andrew M."),
    "Qualitatively Characterizing Neural Network Optimization Problems",
    "International Conference on Learning Representations",
    2015,
    "https://arxiv.org/abs/1412.6544",
)
PLANES = Publication(
    "garipov2018loss",
    ("Garipov, Timur", "Izmailov, Pavel", "Podoprikhin, Dmitrii", "Vetrov, Dmitry P.", "Wilson, Andrew Gordon"),
    "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs",
    "Advances in Neural Information Processing Systems 31",
    2018,
    "https://arxiv.org/abs/1802.10026",
)
BATCHNORM = Publication(
    "ioffe2015batch",
    ("Ioffe, Sergey", "Szegedy, Christian"),
    "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
    "International Conference on Machine Learning",
    2015,
    "https://arxiv.org/abs/1502.03167",
)
RECALIBRATION = Publication(
    "izmailov2018averaging",
    ("Izmailov, Pavel", "Podoprikhin, Dmitrii", "Garipov, Timur", "Vetrov, Dmitry", "Wilson, Andrew Gordon"),
    "Averaging Weights Leads to Wider Optima and Better Generalization",
    "Conference on Uncertainty in Artificial Intelligence",
    2018,
    "https://arxiv.org/abs/1803.05407",
)
PYTORCH = Publication(
    "paszke2019pytorch",
    (
        *("Paszke, Adam", "Gross, Sam", "Massa, Francisco", "Lerer, Adam", "Bradbury, James", "Chanan, Gregory"),
        *("Killeen, Trevor", "Lin, Zeming", "Gimelshein, Natalia", "Antiga, Luca", "Desmaison, Alban"),
        *("Köpf, Andreas", "Yang, Edward", "DeVito, Zach", "Raison, Martin", "Tejani, Alykhan"),
        *("Chilamkurthy, Sasank", "Steiner, Benoit", "Fang, Lu", "Bai, Junjie", "Chintala, Soumith"),
    ),
    "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
    "Advances in Neural Information Processing Systems 32",
    2019,
    "https://arxiv.org/abs/1912.01703",
)
BOOTSTRAP = Publication(
    "efron1993introduction",
    ("Efron, Bradley", "Tibshirani, Robert J."),
    "An Introduction to the Bootstrap",
    "Chapman and Hall",
    1993,
    "https://doi.org/10.1201/9780429246593",
    "book",
)
EVERY = (FILTERS, LINES, PLANES, BATCHNORM, RECALIBRATION, PYTORCH, BOOTSTRAP)
