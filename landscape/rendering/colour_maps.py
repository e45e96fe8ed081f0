"""Colour maps as short tables: even in perception and safe for colour-blind readers, or they are not offered."""

from __future__ import annotations

from functools import cache

import numpy as np

from landscape.errors import LandscapeError, nearest
from landscape.types import FloatArray

REVERSED = "_r"

# Each map at every sixteenth, from low values to high. All rise in lightness, so that they can be read in grey.
# viridis, magma, inferno, plasma: van der Walt and Smith 2015, CC0. cividis: Nunez, Anderton and Renslow 2018, CC0.
# batlow: copyright (c) 2020 Fabio Crameri, MIT licence. greys: even steps of CIELAB lightness, from 18 to 97.
SEQUENTIAL = {
    "viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b "
    "addc30 d8e219 fde725",
    "cividis": "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c cdbb63 "
    "dec958 f0d846 fee838",
    "magma": "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961 fea772 "
    "fec488 fde2a3 fcfdbf",
    "inferno": "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d24644 e45a31 f1731d f98e09 fcac11 "
    "f9cb35 f2ea69 fcffa4",
    "plasma": "0d0887 310597 4c02a1 6600a7 7e03a8 9511a1 aa2395 bc3587 cc4778 da5a6a e66c5c f0804e f89540 fdac33 "
    "fdc527 f8df25 f0f921",
    "batlow": "011959 0d315d 114360 165262 226061 356a59 4d734d 667a3f 818232 a08a2b bf9035 db954c f29d6c fca891 "
    "fdb4b4 fcc0d6 faccfa",
    "greys": "2c2c2c 373737 424242 4d4d4d 595959 656565 717171 7d7d7d 8a8a8a 979797 a4a4a4 b1b1b1 bfbfbf cccccc "
    "dadada e8e8e8 f6f6f6",
}
# Two sides of equal lightness around a middle, so that neither looks larger; colour-blind readers can tell them apart.
# RdBu: ColorBrewer, Brewer et al. 2003, Apache 2.0. vik and berlin (dark in the middle, for a dark page):
# copyright (c) 2020 Fabio Crameri, MIT licence.
DIVERGING = {
    "RdBu": "053061 175290 2a71b2 3f8ec0 6bacd1 9bc9e0 c2ddec e0ecf3 f7f6f6 fbe5d8 fbccb4 f5aa89 e48066 d05548 "
    "ba2832 930e26 67001f",
    "vik": "001261 022b71 034481 0c5e92 2f7ca6 609dbc 92bdd2 c5dbe5 ece5e1 e9cbb9 dcab8f cf8e68 c37243 b3531f "
    "932e06 741506 590008",
    "berlin": "9eb0ff 79abed 519fd3 3685ad 286886 1d4b61 14303e 111a20 190c09 2b0e01 411201 5b1d08 7d341e 9e513f "
    "be6f63 df8f89 ffadad",
}
_RAINBOWS = {"jet", "hsv", "rainbow", "gist_rainbow", "nipy_spectral", "spectral", "turbo", "prism", "gist_ncar"}


def check_map(name: str) -> None:
    """Refuse a colour map that is not offered.

    Args:
        name: A name of `SEQUENTIAL` or `DIVERGING`; with `_r` at its end the map runs the other way.

    Raises:
        LandscapeError: If it is unknown, or a rainbow.
    """
    if name.lower().removesuffix(REVERSED) in _RAINBOWS:
        raise LandscapeError(
            f"the colour map {name} is a rainbow: its lightness goes up and down, which draws edges where the values "
            f"have none; take one that rises evenly: {', '.join(SEQUENTIAL)}"
        )
    if name.removesuffix(REVERSED) not in {**SEQUENTIAL, **DIVERGING}:
        raise LandscapeError(f"unknown colour map {name!r}; {nearest(name, [*SEQUENTIAL, *DIVERGING])}")


def is_diverging(name: str) -> bool:
    """Whether a map parts at a middle, for signed values."""
    return name.removesuffix(REVERSED) in DIVERGING


def colours(name: str, positions: FloatArray) -> FloatArray:
    """Colours of a map.

    Args:
        name: Its name, as for `check_map`.
        positions: Positions in [0, 1], any shape.

    Returns:
        Red, green and blue in [0, 1], with one more axis of length 3.
    """
    anchors = _anchors(name)
    places = np.linspace(0.0, 1.0, len(anchors))
    return np.stack([np.interp(positions, places, anchors[:, channel]) for channel in range(3)], axis=-1)


@cache
def _anchors(name: str) -> FloatArray:
    """The colours of a map's table, shape (17, 3)."""
    codes = {**SEQUENTIAL, **DIVERGING}[name.removesuffix(REVERSED)].split()
    table = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes]) / 255
    return table[::-1] if name.endswith(REVERSED) else table
