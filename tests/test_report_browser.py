"""The page of a report in a real browser: it has drawn, all moves together, no network is asked."""

import base64
import dataclasses
import io
import json
import shutil
import time

import numpy as np
import pytest
from surfaces import rugged, stacked, valley

import landscape
from landscape.storage import save

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: make browser")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = [
    pytest.mark.slow,  # surfaces in space are drawn by the processor
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver: make browser"),
]
EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--enable-unsafe-swiftshader",
    ),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-default-browser-check"),
)
WAIT = 300.0
WINDOW = (1000, 800)


def with_errors(source):
    """The same surface with a standard error of a tenth."""
    return dataclasses.replace(source, quantities={**source.quantities, "test/loss_stderr": 0.1 * source["test/loss"]})


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A network on a grid that is not square, under two policies, and one on another grid: few and small panels, since
    surfaces in space are drawn without a graphics card."""
    folder = tmp_path_factory.mktemp("browser")
    surfaces = {"a": stacked(with_errors(valley(name="a.pt")), policies=True), "b": rugged(11, name="b.pt")}
    for name, each in surfaces.items():
        job = dataclasses.replace(each.job, checkpoint_sha256=name * 64)
        save(dataclasses.replace(each, job=job), folder / f"{name}.h5")
    files = [folder / f"{name}.h5" for name in surfaces]
    (path,) = landscape.report(*files, names=[EVIL, "b"], policies=("frozen", "batch"), out=folder / "report.html")
    return path


@pytest.fixture(scope="module")
def browser(page):
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.page_load_strategy = "none"
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(WAIT)
    try:
        sized(driver, *WINDOW)
        driver.get(page.as_uri())
        drawn(driver)
        yield driver
    finally:
        driver.quit()


def sized(driver, width, height):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def until(condition):
    """Wait for what a loaded machine may take long to do."""
    end = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
    return found


def drawn(driver):
    until(lambda: driver.execute_script("return document.documentElement.dataset.drawn === 'true'"))


def found(driver, selector):
    return [each for each in driver.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()]


def readings(driver):
    return [each.text for each in found(driver, ".reading")]


def picture(driver, element):
    """The pixels of an element, shape (height, width, 3)."""
    from PIL import Image

    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    box = element.rect
    shot = driver.execute_cdp_cmd(
        "Page.captureScreenshot",
        {"format": "png", "captureBeyondViewport": True, "clip": {**box, "scale": 1}},
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")).astype(int)


def coloured(pixels):
    """The share of pixels that are neither grey nor white."""
    return float((pixels.max(axis=2) - pixels.min(axis=2) > 40).mean())


def eyes(driver):
    return driver.execute_script(
        "return [...document.querySelectorAll('.space')].filter((each) => each._fullLayout)"
        ".map((each) => each._fullLayout.scene.camera.eye).map(({x, y, z}) => [x, y, z])"
    )


def chosen(driver, name, value):
    Select(driver.find_element(By.ID, name)).select_by_value(value)
    drawn(driver)


def bar(driver):
    return driver.find_element(By.CSS_SELECTOR, "#bar .label").text


def test_every_panel_has_drawn_its_pixels(browser):
    spaces, flats = found(browser, ".space"), found(browser, ".flat")
    assert len(spaces) == len(flats) == 3
    for element in spaces:
        assert 0.1 < coloured(picture(browser, element)) < 0.8
    for element in flats:
        assert coloured(picture(browser, element)) > 0.4
    assert not found(browser, ".still")


def test_names_from_files_are_text(browser):
    assert EVIL in [each.text for each in found(browser, ".panel h3")]
    assert browser.execute_script("return window.hacked === undefined")


def test_pointing_at_a_contour_marks_the_point_in_every_panel(browser):
    flat = found(browser, ".flat")[0]
    place = browser.execute_script(
        "const full = arguments[0]._fullLayout; return [full.xaxis._offset + full.xaxis.d2p(1 / 3),"
        " full.yaxis._offset + full.yaxis.d2p(-0.25)]",
        flat,
    )
    box = flat.rect
    # From the middle of the element, as the driver counts.
    offset = [round(place[0] - box["width"] / 2), round(place[1] - box["height"] / 2)]
    ActionChains(browser).move_to_element(flat).move_to_element_with_offset(flat, *offset).perform()
    until(lambda: readings(browser)[0].startswith("α 0.333, β −0.25"))
    wanted = valley()
    loss, accuracy = (wanted[f"test/{name}"][8, 3] for name in ("loss", "accuracy"))
    first, second, other = readings(browser)
    # The second policy has twice the loss; the other network's grid lacks the point.
    assert first == f"α 0.333, β −0.25 · loss {loss:.4g} ± {0.1 * loss:.2g} · accuracy {100 * accuracy:.4g} %"
    assert second.startswith(f"α 0.333, β −0.25 · loss {2 * loss:.4g} ± ")
    assert other.startswith(f"α 0.4, β −0.2 · loss {rugged(11)['test/loss'][7, 4]:.4g}")
    assert len(found(browser, ".cross")) == 3
    for cross, panel in zip(found(browser, ".cross"), found(browser, ".flat"), strict=True):
        x = cross.rect["x"] + cross.rect["width"] / 2 - panel.rect["x"]
        assert abs(x - place[0]) < 0.1 * box["width"]


def test_a_surface_in_space_tells_the_value_under_the_pointer(browser):
    plot = found(browser, ".space")[0]
    browser.execute_script("arguments[0].on('plotly_hover', ({points}) => { window.seen = points[0]; })", plot)
    ActionChains(browser).move_to_element(plot).move_by_offset(40, 10).move_by_offset(3, 2).perform()
    x, y, z = until(
        lambda: browser.execute_script("return window.seen ? [window.seen.x, window.seen.y, window.seen.z] : null")
    )
    wanted = valley()
    i, j = (list(axis.values).index(pytest.approx(value)) for axis, value in zip(wanted.grid.axes, (x, y), strict=True))
    assert (x, y) != (0, 0)
    assert z == pytest.approx(wanted["test/loss"][i, j], rel=1e-5)
    sign = str(f"{x:.3f}".rstrip("0").rstrip(".")).replace("-", "−")
    until(lambda: readings(browser)[0].startswith(f"α {sign},"))


def test_cameras_move_together(browser):
    before = eyes(browser)
    plot = found(browser, ".space")[1]
    ActionChains(browser).move_to_element(plot).click_and_hold().move_by_offset(60, 15).release().perform()
    until(lambda: not np.allclose(eyes(browser), before))
    until(lambda: np.allclose(eyes(browser), eyes(browser)[1]))
    turned = eyes(browser)
    assert len(turned) == 3
    browser.find_element(By.CSS_SELECTOR, "button[data-turn=left]").click()
    until(lambda: not np.allclose(eyes(browser), turned))
    browser.find_element(By.CSS_SELECTOR, "button[data-turn=back]").click()
    until(lambda: np.allclose(eyes(browser), before, atol=1e-6))


def test_keys_move_the_point_and_turn_the_surfaces(browser):
    flat = found(browser, ".flat")[0]
    flat.send_keys(Keys.HOME)
    until(lambda: readings(browser)[0].startswith("α 0, β 0 "))
    flat.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    until(lambda: readings(browser)[0].startswith("α 0.167, β 0.25 "))
    before = eyes(browser)
    found(browser, ".space")[0].send_keys(Keys.ARROW_LEFT)
    until(lambda: not np.allclose(eyes(browser), before))
    found(browser, ".space")[0].send_keys(Keys.HOME)


def test_switches_change_what_is_drawn(browser):
    assert bar(browser) == "test loss, log scale"
    browser.find_element(By.CSS_SELECTOR, "input[value=linear]").click()
    drawn(browser)
    assert bar(browser).startswith("test loss")
    assert "log scale" not in bar(browser)
    chosen(browser, "clip", "10")
    assert bar(browser) == "test loss, clipped at 10"
    tops = browser.execute_script(
        "return [...document.querySelectorAll('.space')].map((each) => each._fullLayout.scene.zaxis.range[1])"
    )
    assert max(tops) < 10.5
    chosen(browser, "quantity", "test/accuracy")
    assert bar(browser) == "test accuracy (%)"
    assert sum("not measured here" in each.text for each in found(browser, ".missing")) == 1
    chosen(browser, "quantity", "test/loss")
    browser.find_element(By.CSS_SELECTOR, "input[value=automatic]").click()
    chosen(browser, "policy", "batch")
    assert [each.text for each in found(browser, ".panel h3")] == [EVIL, "b"]
    assert len(eyes(browser)) == 2
    chosen(browser, "policy", "all")
    assert len(eyes(browser)) == 3


def test_the_page_can_be_dark(browser):
    def ground():
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    light = ground()
    chosen(browser, "theme", "dark")
    dark = ground()
    assert sum(json.loads(dark.replace("rgb(", "[").replace(")", "]"))) < 150
    assert picture(browser, found(browser, ".space")[0])[2:6, 2:6].max() < 60
    chosen(browser, "theme", "system")
    assert ground() == light


@pytest.mark.parametrize("width", [390, 1000])
def test_nothing_is_wider_than_the_window(browser, width):
    sized(browser, width, 844)
    until(lambda: browser.execute_script("return innerWidth") == width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert all(each.rect["width"] <= width for each in found(browser, ".panel"))


def test_every_control_has_a_name(browser):
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "combobox", "radio", "application", "link", "image", "region"}
    nodes = [node for node in tree if not node["ignored"] and node.get("role", {}).get("value") in roles]
    assert len(nodes) > 20
    assert all(node["name"]["value"].strip() for node in nodes), [n["role"] for n in nodes if not n["name"]["value"]]


def test_print_shows_still_pictures(browser):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert found(browser, ".still img")
    assert not found(browser, ".live-only")
    assert not found(browser, ".flat")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_without_scripts_there_are_still_pictures(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page.as_uri())
    until(lambda: found(browser, "footer"))
    visible = {each.tag_name for each in found(browser, ".still img, #switches, .panels, table, #theme")}
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert visible == {"img", "table"}


# Last: over all that happened before.
def test_nothing_went_wrong_and_nothing_was_asked_of_a_network(browser):
    told = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert told == []
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert {url.split(":")[0] for url in asked} <= {"file", "data", "blob"}
