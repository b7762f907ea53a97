"""The recorded session of README: what is shown is what happens today, and its picture needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pyte
import pytest

from providers.simulator import Simulator
from tests.support.cast_svg import picture
from tests.support.command import signalbox
from tests.support.recording import COLUMNS, FOLDER, NAME, ROUTES, ROWS, TYPED

CAST = (FOLDER / f"{NAME}.cast").read_text()
PICTURE = (FOLDER / f"{NAME}.svg").read_text()
SVG = "{http://www.w3.org/2000/svg}"


def lines(cast: str = CAST) -> list[str]:
    """What the terminal shows at the end."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed("".join(json.loads(line)[2] for line in cast.splitlines()[1:]))
    return [line.rstrip() for line in screen.display]


def made(*outputs: tuple[float, str], rows: int = 3) -> str:
    header = {"version": 2, "width": 20, "height": rows, "title": "a < b"}
    return "\n".join(map(json.dumps, (header, *((seconds, "o", text) for seconds, text in outputs))))


def test_the_picture_is_of_the_recording() -> None:
    """`make recording` makes both anew."""
    assert picture(CAST) == PICTURE


def test_the_picture_is_small_and_asks_nobody_for_anything() -> None:
    assert len(PICTURE.encode()) < 300_000
    elements = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(PICTURE).iter()}
    assert elements == {"svg", "title", "style", "rect", "circle", "text", "g"}
    assert re.findall(r"url\(|href|@import|@font-face", PICTURE) == []


def test_the_recording_is_of_asciinemas_second_version() -> None:
    header, *events = map(json.loads, CAST.splitlines())
    assert (header["version"], header["width"], header["height"]) == (2, COLUMNS, ROWS)
    times = [seconds for seconds, kind, text in events if kind == "o" and text]
    assert len(times) == len(events)
    assert times == sorted(times)
    assert times[-1] < 40, "nobody looks on for longer"


def test_all_that_was_typed_is_seen_and_succeeds() -> None:
    shown = lines()
    assert [line.removeprefix("$ ") for line in shown if line.startswith("$ ")] == list(TYPED)
    assert any("overloaded HTTP 503" in line for line in shown)


async def test_the_same_is_seen_today(simulator: Simulator, tmp_path: Path) -> None:
    """Each answer of the command, but for its durations."""
    (tmp_path / "routes.yaml").write_text(ROUTES)
    checked = await signalbox("check", cwd=tmp_path)
    assert checked.out.strip() in lines()

    text = re.sub("http://127.0.0.1:8089", simulator.url, ROUTES)
    (tmp_path / "routes.yaml").write_text(text)
    simulator.vendor("openai").set(error_rate=1, error="overloaded")
    words = re.search(r'ask chat "(.*)" -v', TYPED[-1])
    assert words is not None
    asked = await signalbox("ask", "chat", words[1], "-v", cwd=tmp_path)
    shown = "".join(line.ljust(COLUMNS) if len(line) == COLUMNS else f"{line}\n" for line in lines())
    plain = [re.sub(r"\s*\d+ ms|revision \w+", "", line).rstrip() for line in shown.splitlines()]
    told = (asked.out + asked.err).splitlines()
    assert [line for line in told if re.sub(r"\s*\d+ ms|revision \w+", "", line).rstrip() not in plain] == []


@pytest.mark.parametrize("count", [1, 3, 7])
def test_a_long_session_scrolls_to_its_end(count: int) -> None:
    """The last line is inside of the picture, where nothing moves as well."""
    svg = picture(made(*((second * 1.0, f"{second}\r\n" * (second < count)) for second in range(count + 1))))
    moved = re.search(r"\.s\{transform:translateY\((-?\d+)px\)", svg)
    assert moved is not None
    assert int(moved[1]) == -18 * max(0, count + 1 - 3)
    assert f">{count - 1}</text>" in svg


def test_what_is_written_over_is_hidden_in_the_end() -> None:
    svg = picture(made((0.0, "old"), (1.0, "\rnew"), (2.0, "")))
    hidden = set(re.findall(r"\.(v\d+)\{opacity:0;", svg))
    groups = {text: name for name, text in re.findall(r'<g class="(v\d+)"><text[^>]*>(\w+)<', svg)}
    assert groups["old"] in hidden
    assert groups["new"] not in hidden
    assert "<title>a &lt; b</title>" in svg
