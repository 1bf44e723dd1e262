"""The page, as text, and played in a real Chromium."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.dom import minidom

import numpy as np
import pytest
from browser import PROGRAM, Browser

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import nn
from tinygrad_cnn.viz import record, trace
from tinygrad_cnn.viz.recording import Recording

in_chromium = pytest.mark.skipif(PROGRAM is None, reason="needs chromium")


def content(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(data)


class Net(nn.Module):
    """A convolution with padding and stride, in a nested module, and a fan-out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(16, 3)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        x = self.pool(self.body(x))
        return self.head((x + x.square()).flatten(1))


@pytest.fixture(scope="module")
def recorded() -> tuple[Net, Recording]:
    tg.manual_seed(0)
    model = Net()
    loss = F.cross_entropy(model(tg.randn(2, 2, 8, 8)), tg.tensor([0, 2]))
    with record(model) as rec:
        loss.backward()
    return model, rec


@pytest.fixture(scope="module")
def page(recorded: tuple[Net, Recording], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "backprop.html"
    recorded[1].save(path)
    return path


class TestText:
    def test_all_steps(self, recorded: tuple[Net, Recording], page: Path):
        rec, data = recorded[1], content(page)
        forward = [i for i, v in enumerate(rec.snapshot.vertices) if v.kind == "operation"]
        expected = [("forward", i) for i in forward] + [(e.kind, e.vertex) for e in rec.events]
        assert [(one["phase"], one["vertex"]) for one in data["steps"]] == expected
        assert len(data["boxes"]) == len(rec.snapshot.vertices) == len(data["vertices"])
        assert sorted(link["edge"] for link in data["links"]) == list(range(len(data["edges"])))

    def test_arrays(self, recorded: tuple[Net, Recording], page: Path):
        model, data = recorded[0], content(page)
        (weight,) = (v for v in data["vertices"] if v["title"] == "body.0.weight")
        array = data["arrays"][weight["arrays"][0]]
        shown = np.frombuffer(base64.b64decode(array["data"]), np.float32)
        np.testing.assert_array_equal(shown.reshape(4, 1, 3, 3), model.body[0].weight.data)
        texts = [json.dumps(one) for one in data["arrays"]]
        assert len(set(texts)) == len(texts)  # none is there twice

    def test_by_itself(self, page: Path):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'(?:src|href)="(?!data:)', text)
        assert set(re.findall(r"https?://[\w./]*", text)) == {"http://www.w3.org/2000/svg"}
        assert "default-src 'none'" in text

    def test_size(self, tmp_path: Path):
        tg.manual_seed(0)
        model = tg.models.lenet5()
        loss = F.cross_entropy(model(tg.rand(64, 1, 28, 28)), tg.arange(64) % 10)
        with record(model) as rec:
            loss.backward()
        assert Path(rec.save(tmp_path / "lenet.html")).stat().st_size < 3e6

    def test_a_graph_alone(self, tmp_path: Path):
        model = Net()
        snapshot = trace(model(tg.randn(2, 2, 8, 8)).sum(), model)
        data = content(Path(snapshot.save(tmp_path / "graph.html")))
        assert data["steps"] == data["links"] == []
        assert [box["kind"] for box in data["boxes"]].count("operation") == 8

    def test_names_cannot_end_the_script(self, tmp_path: Path):
        x = tg.tensor(2.0, requires_grad=True)
        name = "</script><script>alert(1)</script>\ud800"
        with record(params={name: x}) as rec:
            (x * 2).backward()
        path = Path(rec.save(tmp_path / "names.html"))
        assert "alert(1)</script>" not in path.read_text(encoding="utf-8")
        assert content(path)["vertices"][0]["title"] == name.replace("\ud800", "\\ud800")

    def test_not_finite(self, tmp_path: Path):
        x = tg.tensor([-1.0, 0.0], requires_grad=True)
        with record() as rec:
            x.log().sum().backward()
        data = content(Path(rec.save(tmp_path / "nan.html")))
        assert any(array["nan"] for array in data["arrays"])

    def test_other_formats(self, recorded: tuple[Net, Recording], tmp_path: Path):
        text = Path(recorded[1].save(tmp_path / "net.dot", color="time")).read_text()
        assert "time" in text

    def test_only_from_top_to_bottom(self, recorded: tuple[Net, Recording], tmp_path: Path):
        with pytest.raises(ValueError, match="from top to bottom, got direction='LR'"):
            recorded[1].save(tmp_path / "net.html", direction="LR")
        assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def shared() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(shared: Browser) -> Iterator[Browser]:
    shared.resize(1400, 900)
    shared.problems.clear()
    shared.requests.clear()
    yield shared
    assert shared.problems == []
    assert shared.requests == []


LIT = "[...document.querySelectorAll('.box.lit')].map(node => boxes.indexOf(node))"
COUNT = "document.getElementById('count').textContent"
HEADING = "document.querySelector('#panel h2').textContent"


@in_chromium
class TestPlaying:
    def test_steps_light_what_the_engine_ran(
        self, browser: Browser, page: Path, recorded: tuple[Net, Recording]
    ):
        rec, data = recorded[1], content(page)
        browser.open(page)
        assert browser.run(LIT) == []
        lit = []
        for _ in data["steps"]:
            browser.press("ArrowRight")
            lit.extend(browser.run(LIT))
        vertices = [step["vertex"] for step in data["steps"]]
        assert lit == [data["vertices"][vertex]["box"] for vertex in vertices]
        assert vertices[-len(rec.events) :] == [event.vertex for event in rec.events]
        assert browser.run("document.getElementById('next').disabled")
        browser.press("ArrowLeft")
        assert browser.run(COUNT) == f"{len(vertices) - 1} of {len(vertices)}"

    def test_what_a_step_says(self, browser: Browser, page: Path, recorded: tuple[Net, Recording]):
        data = content(page)
        square = next(
            n for n, step in enumerate(data["steps"], 1)
            if step["phase"] == "rule" and data["vertices"][step["vertex"]]["title"] == "square"
        )  # fmt: skip
        browser.open(page, f"#step={square}")
        assert browser.run(HEADING) == "square"
        text = browser.run("document.getElementById('panel').innerText")
        for words in ("Gradient that arrives", "∂L/∂input = ", "kept: input", "sum before", "sum after"):
            assert words in text
        edges = browser.run("[...document.querySelectorAll('.edge.lit')].map(e => edges.indexOf(e))")
        (link,) = (part["link"] for part in data["steps"][square - 1]["contributions"])
        assert edges == [data["links"][link]["edge"]]

    def test_play_and_pause(self, browser: Browser, page: Path):
        browser.open(page)
        browser.run("document.getElementById('speed').value = '4'")
        browser.press(" ")
        browser.wait("step >= 2")
        assert browser.run("document.getElementById('play').getAttribute('aria-label')") == "Pause"
        browser.press(" ")
        stopped = browser.run("step")
        time.sleep(0.5)
        assert browser.run("step") == stopped
        browser.run("go(data.steps.length - 1)")
        browser.click_on("#play")
        browser.wait("step === data.steps.length && timer === null")
        browser.click_on("#play")  # once more, from the start
        browser.wait("step === 1")
        browser.press("Home")
        assert browser.run("[step, timer]") == [0, None]

    def test_scrub(self, browser: Browser, page: Path):
        browser.open(page)
        browser.run("document.getElementById('scrub').focus()")
        browser.press("End")
        browser.run("scrub = document.getElementById('scrub'); scrub.value = 5; scrub.dispatchEvent(new Event('input'))")
        assert browser.run("step") == 5
        assert browser.run("location.hash") == "#step=5"
        browser.click_on("#scrub")
        assert browser.run("Math.abs(step - data.steps.length / 2) <= 1")

    def test_links_to_a_step(self, browser: Browser, page: Path):
        browser.open(page, "#step=3")
        assert browser.run("step") == 3
        browser.run("location.hash = '#step=7'")
        browser.wait("step === 7")
        browser.open(page, "#step=99999")
        assert browser.run("step === data.steps.length")

    def test_search(self, browser: Browser, page: Path):
        browser.open(page)
        browser.press("/")
        browser.type("HEAD.w")
        browser.press("Enter")
        assert browser.run(HEADING) == "head.weight"
        assert browser.run("document.querySelectorAll('.box.chosen').length") == 1
        browser.run("document.getElementById('search').value = 'nowhere'; search()")
        assert browser.run("document.getElementById('found').innerText") == "nothing found"

    def test_collapse_and_expand(self, browser: Browser, page: Path):
        browser.open(page)
        before = browser.run("size")
        drawing = "canvas.outerHTML.replace(/ style=\"\"/g, '')"
        whole = browser.run(drawing)
        browser.click_on(".frame[aria-label^='Module body'] text")
        hidden = "[...document.querySelectorAll('.box')].filter(b => b.style.display === 'none').length"
        count = browser.run(hidden)
        assert count > 2
        assert browser.run("size[1]") < before[1]
        overlaps = """(() => {
            const seen = [...boxes, ...frames.filter(f => f && f.classList.contains('closed'))]
                .filter(n => n.style.display !== 'none').map(n => n.firstChild.getBoundingClientRect());
            return seen.some((a, i) => seen.slice(i + 1).some(b =>
                a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
        })()"""
        assert not browser.run(overlaps)
        browser.press("ArrowRight")  # the convolution, which is inside
        lit = "document.querySelector('.lit').getAttribute('aria-label')"
        assert browser.run(lit).startswith("Module body")
        browser.press("Enter")  # it has the focus
        assert browser.run(hidden) == 0
        browser.press("Home")
        browser.run("document.activeElement.blur()")
        assert browser.run(drawing) == whole
        browser.run("document.querySelector('.frame').focus()")
        browser.press("Enter")
        assert browser.run(hidden) > 0

    def test_a_cell_of_a_convolution(self, browser: Browser, page: Path):
        browser.open(page, "#step=1")
        assert browser.run(HEADING).startswith("conv2d 3×3, stride 2, pad 1")
        for row, column in ((0, 0), (2, 3)):
            browser.run(f"document.querySelector('.heat').parentNode.choose(1, 2, {row}, {column})")
            total = browser.run("document.querySelector('.total').textContent")
            value = browser.run("document.querySelector('.cell').textContent")
            assert value.split(" = ")[1] == total.split(" = ")[1]
            assert value.startswith(f"[1, 2, {row}, {column}]")
        field = "[...document.querySelectorAll('#panel .heat')[1].querySelectorAll('svg rect')]"
        size = browser.run(f"{field}.map(r => [r.getAttribute('width'), r.getAttribute('height')])")
        assert size == [["3", "3"]]  # of the one channel in its group

    def test_a_cell_by_pointer_and_keys(self, browser: Browser, page: Path):
        browser.open(page, "#step=1")
        browser.click_on("#panel .heat canvas")
        assert browser.run("document.querySelector('.products') !== null")
        browser.run("document.querySelector('#panel .heat canvas').focus()")
        before = browser.run("document.querySelector('.cell').textContent")
        browser.press("ArrowUp")
        assert browser.run("document.querySelector('.cell').textContent") != before
        assert browser.run("step") == 1

    def test_a_window_of_pooling(self, browser: Browser, page: Path):
        data = content(page)
        steps = [data["vertices"][step["vertex"]]["title"] for step in data["steps"]]
        browser.open(page, f"#step={steps.index('max_pool2d 2×2, stride 2') + 1}")
        browser.run("document.querySelector('.heat').parentNode.choose(0, 3, 1, 1)")
        seen = browser.run("[...document.querySelectorAll('.products td')].map(td => td.textContent)")
        total = browser.run("document.querySelector('.total').textContent")
        largest = max(float(number.replace("−", "-")) for number in seen)
        assert float(total.split(": ")[1].replace("−", "-")) == pytest.approx(largest, rel=0.06)

    def test_downloads_are_drawings(self, browser: Browser, page: Path):
        browser.open(page, "#step=9")
        text, width, height = browser.run("drawing()")
        picture = minidom.parseString(text).documentElement
        assert picture.tagName == "svg"
        assert float(picture.getAttribute("width")) == pytest.approx(width, abs=0.1)
        assert "var(--" in text
        assert "--operation:" in text
        shown = browser.run(
            f"new Promise(done => {{ const i = new Image(); i.onload = () => done([i.width, i.height]);"
            f" i.src = 'data:image/svg+xml,' + encodeURIComponent({json.dumps(text)}); }})"
        )
        assert shown == [pytest.approx(width, abs=1), pytest.approx(height, abs=1)]
        browser.click_on("#save-svg")
        browser.click_on("#save-png")
        time.sleep(0.2)

    def test_light_and_dark(self, browser: Browser, page: Path):
        browser.resize(1400, 900, dark=True)
        browser.open(page)
        paper = "getComputedStyle(document.body).backgroundColor"
        assert browser.run(paper) == "rgb(20, 24, 29)"
        browser.click_on("#theme")
        assert browser.run(paper) == "rgb(255, 255, 255)"

    def test_a_theme(self, browser: Browser, recorded: tuple[Net, Recording], tmp_path: Path):
        browser.open(Path(recorded[1].save(tmp_path / "dark.html", theme="dark", color="time")))
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
        fills = browser.run("boxes.map(box => getComputedStyle(box.firstChild).fill)")
        assert len(set(fills)) > 3

    def test_a_phone(self, browser: Browser, page: Path):
        browser.resize(390, 800)
        browser.open(page, "#step=4")
        wide = browser.run("document.documentElement.scrollWidth")
        assert wide <= 390
        heights = browser.run("['stage', 'panel', 'transport'].map(i => document.getElementById(i).offsetHeight)")
        assert min(heights[:2]) > 200
        outside = browser.run(
            "[...document.querySelectorAll('button, input, select')].filter(e => e.offsetParent && "
            "(e.getBoundingClientRect().right > 390 || e.getBoundingClientRect().left < 0)).length"
        )
        assert outside == 0

    def test_all_can_be_reached_by_keys(self, browser: Browser, page: Path):
        browser.open(page)
        names = browser.run(
            "[...document.querySelectorAll('button, input, select, [role=button]')]"
            ".filter(e => e.tabIndex >= 0 && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))"
            ".map(e => e.outerHTML)"
        )
        assert names == []
        browser.run("boxes[0].focus()")
        browser.press("Enter")
        assert browser.run("chosen") == 0

    def test_many_boxes_are_closed_at_first(self, browser: Browser, tmp_path: Path):
        model = nn.Sequential(*(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Tanh()) for _ in range(90)))
        path = Path(trace(model(tg.ones(1, 3)).sum(), model).save(tmp_path / "deep.html"))
        browser.open(path)
        visible = "boxes.filter(b => b.style.display !== 'none').length"
        assert browser.run(visible) < 10
        assert browser.run("document.getElementById('transport').offsetHeight") == 0
        browser.click_on(".frame.closed text")
        assert browser.run(visible) > 3

    def test_in_a_notebook(self, browser: Browser, tmp_path: Path):
        x = tg.tensor(3.0, requires_grad=True)
        with record() as rec:
            (x * x).backward()
        path = tmp_path / "notebook.html"
        path.write_text(f"<!DOCTYPE html><body>{rec._repr_html_()}", encoding="utf-8")
        browser.open(path)
        page = "document.querySelector('iframe').contentWindow"
        browser.wait(f"{page}.document.getElementById('count')?.textContent === '0 of 4'")
        browser.run(f"{page}.document.getElementById('next').click()")
        assert browser.run(f"{page}.document.getElementById('count').textContent") == "1 of 4"
        assert record()._repr_html_() is None

    def test_a_graph_of_numbers(self, browser: Browser, tmp_path: Path):
        x = tg.tensor(3.0, requires_grad=True)
        with record(params={"x": x}) as rec:
            (x * x).backward()
        browser.open(Path(rec.save(tmp_path / "square.html")), "#step=3")
        assert "∂L/∂other = g · input" in browser.run("document.getElementById('panel').innerText")
