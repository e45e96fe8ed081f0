"""A Scene as HTML: a page of its own, or a piece of one, that asks no network for anything."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from pathlib import Path

from landscape.errors import LandscapeError, listed
from landscape.rendering.decimation import decimated
from landscape.rendering.escaping import script_json
from landscape.rendering.layout import arrange
from landscape.rendering.matplotlib import encode
from landscape.rendering.plotly import library, render
from landscape.rendering.plotly.layout import PIXELS, background, encodable, on_screen
from landscape.rendering.scene import Scene

NARROW = 720
PLACES = ("embed", "directory", "none")
LIBRARY = "plotly.min.js"
CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "modeBarButtonsToRemove": [
        *("select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"),
        *("resetCameraLastSave3d", "orbitRotation", "tableRotation"),
    ],
    "toImageButtonOptions": {"scale": 2},
}
STYLE = """
figure.scene{margin:0 auto}
figure.scene figcaption{font-size:.8rem;line-height:1.45;margin:.2rem .8rem 0}
figure.scene img{max-width:100%;height:auto}
"""


_SCRIPT = """(function(){
var here=document.currentScript.parentNode, place=here.querySelector("div"), wide=%wide%, narrow=%narrow%,
  before=null, turning=false;
function space(){try{return !!document.createElement("canvas").getContext("webgl")}catch(e){return false}}
function draw(){
  var now=window.innerWidth<%limit%;
  if(now===before){return}
  before=now;
  Plotly.react(place,wide.data,now?narrow:wide.layout,%config%);
}
function turn(change){
  var views=/^scene\\d*\\.camera$/, key=Object.keys(change).find(function(each){return views.test(each)}), all={};
  if(!key||turning){return}
  Object.keys(place.layout).forEach(function(each){
    if(views.test(each+".camera")&&each+".camera"!==key){all[each+".camera"]=change[key]}
  });
  if(!Object.keys(all).length){return}
  turning=true;
  Plotly.relayout(place,all).then(function(){turning=false});
}
function begin(){
  if(typeof Plotly==="undefined"||(%space%&&!space())){
    place.innerHTML=here.querySelector("noscript").textContent;
  }else{draw();place.on("plotly_relayout",turn);window.addEventListener("resize",draw)}
}
var source=%source%, script;
if(typeof Plotly!=="undefined"){begin()}
else if(source){
  script=document.createElement("script");
  script.src=source.src;script.integrity=source.integrity;script.crossOrigin="anonymous";
  script.onload=script.onerror=begin;
  document.head.appendChild(script);
}else if(document.readyState!=="complete"){window.addEventListener("load",begin)}else{begin()}
})();"""


def save(scene: Scene, path: str | Path, whole: bool = True, plotlyjs: str = "embed") -> None:
    """Draw a scene into an HTML file.

    Args:
        scene: The figure as data.
        path: The file.
        whole: Whether it is a page of its own, or a piece to paste into pages, in ASCII alone, so that it can stand in
            a page of any encoding, as often as is wanted.
        plotlyjs: Where plotly.js is: `"embed"`, in the file; `"directory"`, beside it, where it is written, too; or
            `"none"`, for a page that loads it itself.

    Raises:
        LandscapeError: If there is no such place for plotly.js.
    """
    path = Path(path)
    if plotlyjs not in PLACES:
        raise LandscapeError(f"plotly.js is placed by one of {listed(PLACES)}, not {plotlyjs!r}")
    if plotlyjs == "directory":
        path.with_name(LIBRARY).write_text(library(), encoding="utf-8")
    sources = {"embed": script(), "directory": f'<script src="{LIBRARY}" charset="utf-8"></script>\n', "none": ""}
    if whole:
        text = _page(scene, sources[plotlyjs])
    else:
        piece = fragment(scene, "", encode(scene, "png")).encode("ascii", "xmlcharrefreplace").decode()
        source = sources[plotlyjs].encode("ascii", "backslashreplace").decode()  # its few letters are in patterns
        text = f"{source}<style>{STYLE}</style>\n{piece}\n"
    path.write_text(text, encoding="utf-8")


def _page(scene: Scene, source: str) -> str:
    title = html.escape(encodable(scene.title or scene.summary))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>body{{margin:1rem auto;font-family:{scene.style.family};background:{background(scene.style)}}}\n"
        f"{STYLE}</style>\n{source}</head>\n"
        f"<body>\n{fragment(scene)}\n</body></html>\n"
    )


def script() -> str:
    """plotly.js as a script element, to stand once in a page, before the first fragment."""
    return f"<script>{library()}</script>\n"


def fragment(scene: Scene, name: str = "figure", fallback: bytes = b"", source: Mapping[str, str] | None = None) -> str:
    """Draw a scene as a figure element with its own script, for a page that holds or loads plotly.js, early or late.

    On narrow screens the panels stand one above another. Panels in space turn together. Where scripts or WebGL
    are missing, the picture is shown instead.

    Args:
        scene: The figure as data.
        name: The element's id, distinct within a page; empty for none.
        fallback: A PNG file's content, or nothing.
        source: Where plotly.js is loaded from if the page lacks it, `src` and `integrity`; None to ask no network.

    Returns:
        HTML.
    """
    scene = decimated(scene)  # whose caption says so
    wide, narrow = (render(scene, stacked, caption=False) for stacked in (False, True))
    picture = base64.b64encode(fallback).decode()
    image = (
        f'<img alt="{html.escape(encodable(scene.summary or "figure"))}" src="data:image/png;base64,{picture}">'
        if fallback
        else ""
    )
    caption = "<br>".join(html.escape(encodable(line)) for line in scene.caption.splitlines())
    needs_space = any(panel.kind == "3d" for panel in scene.panels)
    values = {
        "wide": script_json(wide.to_json(engine="json")),
        "narrow": script_json(json.dumps(json.loads(narrow.to_json(engine="json"))["layout"])),
        "config": json.dumps(CONFIG),
        "limit": str(NARROW),
        "space": json.dumps(needs_space),
        "source": json.dumps(source),
    }
    text = _SCRIPT
    for key, value in values.items():
        text = text.replace(f"%{key}%", value)
    width = round(arrange(on_screen(scene)).width * PIXELS)
    element = f' id="{html.escape(name)}"' if name else ""
    return (
        f'<figure class="scene" style="max-width:{width}px;background:{background(scene.style)}"><div{element}></div>'
        f'<noscript>{image}</noscript>\n<figcaption style="color:{scene.style.muted}">{caption}</figcaption>\n'
        f"<script>{text}</script></figure>"
    )
