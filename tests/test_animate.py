"""Films: one scale, one place and one viewpoint, whatever the file."""

import json
import re
import shutil
import subprocess
from html import unescape

import chromium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from surfaces import rugged, stacked, surface, valley

import landscape
from landscape.api.animating import GIF_DPI
from landscape.commands.main import main
from landscape.errors import LandscapeError, SurroundingsError
from landscape.rendering.figures import contour, surface3d
from landscape.rendering.film import Film, film, natural, numbered
from landscape.rendering.film import files as film_files
from landscape.rendering.film import page as film_page
from landscape.rendering.layout import arrange
from landscape.storage import save

X = np.linspace(-1, 1, 9)
DPI = 50


@pytest.fixture(autouse=True)
def coarse_relief(monkeypatch):
    monkeypatch.setattr("landscape.rendering.relief.PIECES", 16)


def steps(*heights):
    """Surfaces that are flat, each at two heights: 1 on the left, something else on the right."""
    return [
        surface(np.where(X[:, None] < -0.1, 1.0, height) * np.ones((9, 9)), name=f"net_epoch_{number}.pt")
        for number, height in enumerate(heights, start=1)
    ]


def frames_of(path):
    with Image.open(path) as picture:
        found = []
        for number in range(picture.n_frames):
            picture.seek(number)
            found.append(np.asarray(picture.convert("RGB")))
        return found, picture.info


def colour(pixels, scene, x, y):
    """The colour that a picture of a one-panel scene shows at a place."""
    layout = arrange(scene)
    box, panel = layout.panels[0], scene.panels[0]
    along = [(at - low) / (high - low) for at, (low, high) in zip((x, y), (panel.x_range, panel.y_range), strict=True)]
    dpi = pixels.shape[1] / layout.width
    column = (box.left + along[0] * box.width) * dpi
    row = (layout.height - box.bottom - along[1] * box.height) * dpi
    return tuple(int(value) for value in pixels[int(row), int(column)])


def run_of(folder, number=3, **more):
    paths = [folder / f"epoch_{each}.h5" for each in (2, 10, 1)[:number]]
    for steep, path in enumerate(paths, start=1):
        save(valley(9, 9, steep=steep, name=f"{path.stem}.pt", **more), path)
    return paths


@pytest.mark.parametrize("suffix", ["gif", "drawn"])
def test_a_value_keeps_its_colour_and_its_place_over_all_frames(tmp_path, suffix):
    surfaces = steps(2.0, 3.0, 4.0)
    made = film(contour(surfaces))
    if suffix == "gif":
        pictures, _ = frames_of(landscape.animate(surfaces, tmp_path / "film.gif", dpi=DPI))
    else:
        pictures = list(film_files.pictures(made))
    left = [colour(one, made.scenes[0], -0.6, 0.4) for one in pictures]
    right = [colour(one, made.scenes[0], 0.6, 0.4) for one in pictures]
    assert len(pictures) == 3
    assert len({one.shape for one in pictures}) == 1
    assert len(set(left)) == 1
    assert len(set(right)) == 3


def test_a_gif_has_the_colours_of_the_pictures_and_the_speed_that_was_asked_for(tmp_path):
    surfaces = steps(2.0, 3.0)
    path = landscape.animate(surfaces, tmp_path / "film.gif", "3d", fps=5, dpi=DPI)
    pictures, told = frames_of(path)
    drawn = list(film_files.pictures(_at_dpi(film(surface3d(surfaces)), DPI)))
    off = [np.abs(one.astype(int) - other.astype(int)) for one, other in zip(pictures, drawn, strict=True)]
    assert told["duration"] == 200
    assert told["loop"] == 0
    assert max(one.mean() for one in off) < 4
    assert max(one.max() for one in off) < 60  # the star and the letters keep their colours, too
    assert any((np.abs(one.astype(int) - [230, 25, 75]).max(axis=-1) < 30).any() for one in pictures)


def _at_dpi(made, dpi):
    from landscape.rendering.appearance import Appearance

    return Film(tuple(Appearance(dpi=dpi).applied(scene) for scene in made.scenes), made.frames, made.fps)


def test_a_gif_is_coarser_than_a_picture_unless_asked(tmp_path):
    path = landscape.animate(steps(2.0, 3.0), tmp_path / "film.gif")
    scene = film(contour(steps(2.0, 3.0))).scenes[0]
    (first, _), _ = frames_of(path)
    assert first.shape[1] == round(arrange(scene).width * GIF_DPI)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_an_mp4_has_a_frame_per_surface_and_plays_everywhere(tmp_path):
    path = landscape.animate(steps(2.0, 3.0, 4.0, 5.0), tmp_path / "film.mp4", fps=2, size=(3.01, 3.03), dpi=DPI)
    asked = "stream=pix_fmt,width,height,nb_frames,r_frame_rate"
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", asked, "-of", "json", path], capture_output=True, check=True
    )
    (stream,) = json.loads(told.stdout)["streams"]
    assert stream["nb_frames"] == "4"
    assert stream["r_frame_rate"] == "2/1"
    assert stream["pix_fmt"] == "yuv420p"
    assert stream["width"] % 2 == stream["height"] % 2 == 0


def test_an_mp4_without_ffmpeg_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(film_files.shutil, "which", lambda name: None)
    with pytest.raises(
        LandscapeError, match=r"written by ffmpeg, which this machine lacks: .*or name a \.gif or \.html"
    ):
        landscape.animate(tmp_path / "no_such_file.h5", tmp_path / "film.mp4")


def test_what_ffmpeg_says_is_told(tmp_path, monkeypatch):
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho first >&2\necho no such encoder >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SurroundingsError, match=r"ffmpeg could not write .*film\.mp4'?: no such encoder"):
        landscape.animate(steps(2.0, 3.0), tmp_path / "film.mp4", dpi=DPI)


def test_files_are_shown_in_the_natural_order_of_their_names(tmp_path):
    paths = run_of(tmp_path)
    page = landscape.animate(paths, tmp_path / "film.html").read_text(encoding="utf-8")
    given = landscape.animate(paths, tmp_path / "given.html", order="given").read_text(encoding="utf-8")
    assert re.findall(r'"title": "(epoch \d+)"\}', page) == ["epoch 1", "epoch 2", "epoch 10"]
    assert re.findall(r'"title": "(epoch \d+)"\}', given) == ["epoch 2", "epoch 10", "epoch 1"]


def test_policies_of_one_file_are_shown_one_after_another():
    made = film(contour(stacked(valley(), policies=True)))
    assert [title.split()[-1] for title in made.titles] == ["frozen", "batch", "recalibrated"]
    assert len({arrange(scene).panels for scene in made.scenes}) == 1


def test_going_around_takes_a_whole_turn_and_moves_nothing_else():
    made = film(surface3d(rugged(9)), rotate=True)
    views = [made.picture(frame).style.view for frame in made.frames]
    turns = np.diff([azimuth for _, azimuth in views])
    assert len(made.frames) == 36
    np.testing.assert_allclose(turns, 10.0)
    assert {elevation for elevation, _ in views} == {views[0][0]}
    assert made.fps == 12
    several = film(surface3d([rugged(9), valley(9, 9, name="b.pt")]), rotate=True)
    assert [frame.scene for frame in several.frames] == [0] * 18 + [1] * 18


def test_frames_from_different_sides_differ():
    made = _at_dpi(film(surface3d(rugged(9)), rotate=True), 30)
    sides = [next(film_files.pictures(Film(made.scenes, (frame,), 12.0))) for frame in made.frames[::9]]
    differing = [(one != sides[0]).any(axis=-1).mean() for one in sides[1:]]
    assert min(differing) > 0.05


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["lenet_epoch_01", "lenet_epoch_20"], ["lenet, epoch 1", "lenet, epoch 20"]),
        (["e9-last", "e10-last"], ["e 9, last", "e 10, last"]),
        (["7", "8"], ["7", "8"]),
        (["a1b1", "a2b2"], ["a1b1", "a2b2"]),
        (["lr0.1", "lr0.2"], ["lr0.1", "lr0.2"]),
        (["batch", "none"], ["batch", "none"]),
        (["epoch_3"], ["epoch_3"]),
    ],
)
def test_titles_say_what_changes(names, said):
    assert numbered(names) == said


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=9, unique=True), st.sampled_from(["epoch_", "run/x9_", ""]))
def test_natural_order_is_that_of_the_numbers(numbers, before):
    names = [f"{before}{number}.h5" for number in numbers]
    assert sorted(names, key=natural) == [f"{before}{number}.h5" for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["small.h5"],
            "a film shows surfaces on one grid, and that of epoch_1.h5, 9 x 9 points over -1 to 1, -1 to 1, is",
        ),
        (["line.h5"], "a film shows planes, and line.h5 holds a line"),
        (["bn.h5"], "a film shows one change at a time, and bn.h5 holds several policies"),
        (["other.h5"], "epoch_1.h5 and other.h5 were not measured on the same test examples"),
        (["-o", "film.avi"], "a film's name must end in one of mp4, gif, html, and 'film.avi' does not"),
        (["--rotate", "--kind", "2d"], "only a surface in space can be seen from all sides"),
        (["--fps", "0"], "a film has more than 0 and at most 60 frames per second, not 0"),
        (["--transparent"], "a film has no transparent page"),
        (["--metric", "nothing"], "has no quantity 'nothing'"),
        (["--style", "nice"], "unknown style 'nice'"),
        (["missing.h5"], "there is no file 'missing.h5'"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    run_of(tmp_path)
    save(valley(7, 9), "small.h5")
    save(surface(np.ones(9)), "line.h5")
    save(stacked(valley(9, 9), policies=True), "bn.h5")
    save(valley(9, 9, data_digest={"test": "2" * 64}), "other.h5")
    with pytest.raises(SystemExit) as stop:
        main(["animate", "epoch_1.h5", "epoch_2.h5", *words])
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob("film*"))


def test_a_single_picture_is_no_film(tmp_path):
    with pytest.raises(LandscapeError, match=r"needs several surfaces, and there is one: .*--rotate"):
        landscape.animate(valley(), tmp_path / "film.gif")
    with pytest.raises(LandscapeError, match="a figure has no option 'colour'"):
        landscape.animate(steps(1.0, 2.0), tmp_path / "film.gif", colour="red")
    with pytest.raises(LandscapeError, match="name at least one"):
        landscape.animate([], tmp_path / "film.gif")


def test_the_command_writes_a_film_and_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_of(tmp_path, 2)
    with pytest.raises(SystemExit) as stop:
        main(["animate", "epoch_10.h5", "epoch_2.h5", "-o", "out/film.gif", "--dpi", "40", "--title", "Training"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == "out/film.gif\n"
    assert len(frames_of("out/film.gif")[0]) == 2


def test_a_page_stays_small_or_is_refused(tmp_path, monkeypatch):
    surfaces = [valley(51, 51, steep=1 + number / 10, name=f"epoch_{number}.pt") for number in range(12)]
    path = landscape.animate(surfaces, tmp_path / "film.html")
    assert path.stat().st_size < 12e6
    monkeypatch.setattr(film_page, "LARGEST", 1000)
    with pytest.raises(LandscapeError, match=r"a page of these 2 pictures would take .* write an \.mp4 or \.gif"):
        landscape.animate(surfaces[:2], tmp_path / "film.html")


def test_names_from_files_are_text_on_the_page(tmp_path):
    evil = "<script>alert(1)</script>"
    named = [valley(9, 9, name=f"{evil}{number}") for number in (1, 2)]
    page = landscape.animate(named, tmp_path / "film.html", title=evil).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert len(re.findall(r"</script>", page)) == 2


PLAYED = """
window.addEventListener("load",function(){
  var place=document.querySelector(".plot"), seen=[], asked=performance.getEntriesByType("resource").length;
  function title(){
    var said=place.layout.annotations.map(function(one){return one.text});
    return said.find(function(text){return text.includes("epoch")});
  }
  function look(){seen.push(document.querySelector("output").textContent+" "+title())}
  look();
  document.querySelector(".controls button").click();
  setInterval(look,150);
  setTimeout(function(){
    document.querySelector(".controls button").click();
    var slider=document.querySelector("input");
    slider.value=0; slider.dispatchEvent(new Event("input"));
    setTimeout(function(){look();document.body.setAttribute("data-seen",JSON.stringify([asked,seen]))},500);
  },3000);
});"""


@pytest.mark.slow
@chromium.needed
@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_a_page_plays_in_a_browser(tmp_path, kind):
    path = landscape.animate(run_of(tmp_path), tmp_path / "film.html", kind)
    document, said = chromium.opened(path, tmp_path, PLAYED, wait=9000)
    asked, seen = json.loads(unescape(re.search(r'data-seen="(.*?)"', document)[1]))
    assert said == []
    assert asked == 0
    assert {one.split()[0] for one in seen} == {"1", "2", "3"}
    assert {one.partition("/ 3 ")[2] for one in seen} == {f"<b>epoch {number}</b>" for number in (1, 2, 10)}
    assert seen[-1].startswith("1 / 3")


TURNED = """
window.addEventListener("load",function(){
  var place=document.querySelector(".plot"), slider=document.querySelector("input"), eyes=[];
  function go(number){
    slider.value=number; slider.dispatchEvent(new Event("input"));
    setTimeout(function(){
      var eye=place.layout.scene.camera.eye;
      eyes.push([eye.x,eye.y,eye.z]);
      if(number<18){go(number+9)}else{document.body.setAttribute("data-seen",JSON.stringify(eyes))}
    },500);
  }
  go(0);
});"""


@pytest.mark.slow
@chromium.needed
def test_a_page_goes_around(tmp_path):
    path = landscape.animate(valley(9, 9), tmp_path / "film.html", rotate=True)
    document, said = chromium.opened(path, tmp_path, TURNED, wait=9000)
    (x, y, z), *others = json.loads(re.search(r'data-seen="(.*?)"', document)[1])
    assert said == []
    np.testing.assert_allclose(others, [[-y, x, z], [-x, -y, z]], atol=1e-9)
