"""A film as one page that plays: pictures that can be turned and pointed at, a slider and a button, no network."""

from __future__ import annotations

import base64
import html
import json
from typing import Any

import numpy as np

from landscape.errors import LandscapeError
from landscape.rendering.decimation import decimated
from landscape.rendering.embed import CONFIG, STYLE, script
from landscape.rendering.escaping import script_json
from landscape.rendering.film import Film
from landscape.rendering.layout import arrange
from landscape.rendering.matplotlib import encode
from landscape.rendering.plotly import render
from landscape.rendering.plotly.layout import FONT, PIXELS, encodable, on_screen
from landscape.rendering.scene import Scene

LARGEST = 6_500_000  # letters of all pictures together: beside plotly.js that makes a page below 12 MB

_SCRIPT = """(function(){
var film=%film%, root=document.currentScript.parentNode, place=root.querySelector(".plot"),
  slider=root.querySelector("input"), button=root.querySelector(".controls button"), said=root.querySelector("output"),
  at=-1, turned=0, timer=null;
function space(){try{return !!document.createElement("canvas").getContext("webgl")}catch(e){return false}}
function camera(degrees){
  // The viewer's own height and distance stay: only the direction goes around.
  var eye=place.layout.scene.camera.eye, angle=degrees*Math.PI/180;
  return {x:eye.x*Math.cos(angle)-eye.y*Math.sin(angle),y:eye.x*Math.sin(angle)+eye.y*Math.cos(angle),z:eye.z};
}
function show(number){
  var frame=film.frames[number], scene=film.scenes[frame[0]], fresh=at<0||film.frames[at][0]!==frame[0], done;
  scene.layout.uirevision="film";
  if(scene.layout.scene){scene.layout.scene.uirevision="film"}
  done=fresh?Plotly.react(place,scene.data,scene.layout,film.config):Promise.resolve();
  at=number;
  slider.value=number;
  slider.setAttribute("aria-valuetext",scene.title);
  said.textContent=(number+1)+" / "+film.frames.length;
  return done.then(function(){
    var by=frame[1]-turned;
    turned=frame[1];
    if(by){return Plotly.relayout(place,{"scene.camera.eye":camera(by)})}
  });
}
function next(){
  var begun=Date.now();
  show((at+1)%film.frames.length).then(function(){
    if(timer!==null){timer=setTimeout(next,Math.max(0,1000/film.fps-(Date.now()-begun)))}
  });
}
function stop(){clearTimeout(timer);timer=null;button.textContent="Play"}
if(film.space&&!space()){
  place.innerHTML=root.querySelector("noscript").textContent;
  root.querySelector(".controls").style.display="none";
}else{
  show(0);
  button.addEventListener("click",function(){
    if(timer!==null){stop()}else{button.textContent="Pause";timer=setTimeout(next,0)}
  });
  slider.addEventListener("input",function(){stop();show(Number(slider.value))});
}
})();"""

_STYLE = """
.controls{display:flex;gap:.8rem;align-items:center;margin:.3rem .8rem}
.controls button{font:inherit;min-width:5em;padding:.25em .8em}
.controls input{flex:1}
.controls output{min-width:5em;text-align:right;font-variant-numeric:tabular-nums}
"""


def film_page(film: Film) -> str:
    """Write a film as a page of its own.

    Args:
        film: The film.

    Returns:
        HTML that needs no other file; without scripts or WebGL it shows the last picture.

    Raises:
        LandscapeError: If the pictures are too many and too large for a page.
    """
    shown = [decimated(scene) for scene in film.scenes]  # whose captions say so
    scenes = [_drawn(scene, title) for scene, title in zip(shown, film.titles, strict=True)]
    size = sum(map(len, scenes))
    if size > LARGEST:
        raise LandscapeError(
            f"a page of these {len(film.scenes)} pictures would take {size / 1e6:.0f} MB besides plotly.js, and is to "
            f"stay below {LARGEST / 1e6:g}: write an .mp4 or .gif, or fewer surfaces"
        )
    last = film.scenes[-1]
    about = {
        "frames": json.dumps([[frame.scene, round(frame.turn, 3)] for frame in film.frames]),
        "fps": json.dumps(film.fps),
        "config": json.dumps(CONFIG),
        "space": json.dumps(any(panel.kind == "3d" for panel in last.panels)),
        "scenes": f"[{','.join(scenes)}]",
    }
    pairs = ",".join(f'"{name}":{value}' for name, value in about.items())
    player = _SCRIPT.replace("%film%", f"{{{pairs}}}")
    picture = base64.b64encode(encode(last, "png")).decode()
    name = html.escape(encodable(last.title or f"{film.titles[0]} to {film.titles[-1]}"))
    caption = "<br>".join(html.escape(encodable(line)) for line in shown[-1].caption.splitlines())
    style = last.style
    look = f"body{{margin:1rem auto;font-family:{FONT};color:{style.ink};background:{style.page}}}{STYLE}{_STYLE}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{look}</style>\n{script()}</head>\n"
        f'<body>\n<figure class="scene" style="max-width:{round(arrange(on_screen(last)).width * PIXELS)}px">'
        f'<div class="plot" role="img" aria-label="{name}"></div>\n'
        f'<noscript><img alt="{name}" src="data:image/png;base64,{picture}"></noscript>\n'
        '<div class="controls"><button type="button">Play</button>'
        f'<input type="range" min="0" max="{len(film.frames) - 1}" step="1" value="0" aria-label="picture">'
        f"<output></output></div>\n<figcaption>{caption}</figcaption>\n<script>{player}</script></figure>\n"
        "</body></html>\n"
    )


def _drawn(scene: Scene, title: str) -> str:
    """One picture as JSON that cannot end the script element it stands in."""
    figure = json.loads(render(scene, caption=False).to_json(engine="json"))
    held = {"data": _lighter(figure["data"]), "layout": figure["layout"], "title": encodable(title)}
    return script_json(json.dumps(held))


def _lighter(value: Any) -> Any:
    """Arrays in float32: half the size, and more digits than a screen shows."""
    if isinstance(value, dict):
        if value.get("dtype") == "f8":
            numbers = np.frombuffer(base64.b64decode(value["bdata"]), dtype="<f8").astype("<f4")
            return {**value, "dtype": "f4", "bdata": base64.b64encode(numbers.tobytes()).decode()}
        return {name: _lighter(each) for name, each in value.items()}
    return [_lighter(each) for each in value] if isinstance(value, list) else value
