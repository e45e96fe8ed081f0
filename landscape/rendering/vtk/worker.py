"""Draw stages with pyvista, in a process of its own: a graphics driver that crashes or hangs takes nothing along.

Run as a script with two file names: stages come in by an .npz file and pictures go out by another. It imports nothing
of the package.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def main(source: str, target: str) -> None:
    """Draw all stages of a file.

    Args:
        source: An .npz file: `stages`, a JSON list, and the arrays that it names by number.
        target: The .npz file to write: `picture0`, ...: red, green, blue and opacity, uint8 of shape (h, w, 4).
    """
    with np.load(source) as arrays:
        stages = json.loads(str(arrays["stages"]))
        pictures = {f"picture{index}": _drawn(stage, arrays) for index, stage in enumerate(stages)}
    np.savez(target, **pictures)


def _drawn(stage: dict[str, Any], arrays: Any) -> Any:
    import pyvista

    finer = stage["finer"]
    size = [finer * stage["width"], finer * stage["height"]]
    plotter = pyvista.Plotter(off_screen=True, window_size=size, lighting="none")
    for sheet in stage["sheets"]:
        _add(plotter, sheet, arrays)
    plotter.add_light(_sun(stage))
    camera = plotter.camera
    camera.position, camera.focal_point, camera.up = stage["eye"], stage["focus"], stage["up"]
    camera.view_angle = stage["angle"]
    plotter.renderer.ResetCameraClippingRange()
    picture = np.asarray(plotter.screenshot(None, transparent_background=True, return_img=True))
    plotter.close()
    return _averaged(picture, finer)


def _add(plotter: Any, sheet: dict[str, Any], arrays: Any) -> None:
    import pyvista

    points, faces, colours, normals = (arrays[sheet[name]] for name in ("points", "faces", "colours", "normals"))
    mesh = pyvista.PolyData.from_regular_faces(points, faces)
    mesh.point_data["colours"] = colours
    if len(normals):
        mesh.point_data.active_normals = normals
    actor = plotter.add_mesh(
        mesh,
        scalars="colours",
        rgb=True,
        smooth_shading=False,
        culling={0: None, 1: "back", -1: "front"}[sheet["side"]],
        show_scalar_bar=False,
        # Colours hold the light already, with its shadows; the library adds the gloss.
        lighting=bool(len(normals)),
        ambient=1.0,
        diffuse=0.0,
        specular=sheet["gloss"],
        specular_power=14.0,
        reset_camera=False,
    )
    if len(normals):
        actor.prop.interpolation = "Phong"
    if sheet["top"] is not None:
        actor.mapper.AddClippingPlane(_below(sheet["top"]))


def _below(top: float) -> Any:
    from vtkmodules.vtkCommonDataModel import vtkPlane

    plane = vtkPlane()
    plane.SetOrigin(0.0, 0.0, top)
    plane.SetNormal(0.0, 0.0, -1.0)
    return plane


def _sun(stage: dict[str, Any]) -> Any:
    import pyvista

    focus = np.asarray(stage["focus"])
    light = pyvista.Light(position=focus + 10 * np.asarray(stage["sun"]), focal_point=focus, light_type="scene light")
    light.positional = False
    return light


def _averaged(picture: Any, finer: int) -> Any:
    """Means over squares of pixels; colours count by their opacity."""
    height, width = picture.shape[0] // finer, picture.shape[1] // finer
    blocks = picture.reshape(height, finer, width, finer, 4).astype(np.float32)
    opacity = blocks[..., 3:]
    colour = (blocks[..., :3] * opacity).sum(axis=(1, 3)) / np.maximum(opacity.sum(axis=(1, 3)), 1)
    return np.concatenate([colour, opacity.mean(axis=(1, 3))], axis=-1).round().astype(np.uint8)


if __name__ == "__main__":
    main(*sys.argv[1:])
