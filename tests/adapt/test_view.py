"""`adapt view`: tasks side by side, on a page that draws them by itself and in a video where OpenGL exists."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from PIL import Image

from adapt.bundle import PolicyBundle
from adapt.cli import main
from adapt.errors import AdaptError
from adapt.report.screenshot import dump_dom, find_browser, screenshot
from adapt.report.text import label, number
from adapt.view import view as view_module
from adapt.view.offscreen import find_backend
from adapt.view.page import content, write_page
from adapt.view.play import play
from adapt.view.recording import Recording
from adapt.view.video import write_video
from adapt.view.view import view
from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily
from tests.adapt.damaged import change
from tests.small_bundle import FAMILY

TASKS, SECONDS = 3, 0.6


@pytest.fixture(scope="module")
def recording() -> Recording:
    return play(load_family(FAMILY), tasks=TASKS, seconds=SECONDS)


@pytest.fixture(scope="module")
def page(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(recording, tmp_path_factory.mktemp("view") / "view.html")


def _content(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text("utf-8"))
    assert found
    return json.loads(found[1])


def test_recording_is_of_the_familys_own_tasks(recording: Recording) -> None:
    family = load_family(FAMILY)
    # 0.6 s at 50 Hz: the start and 30 steps.
    assert recording.qpos.shape == (31, TASKS, family.model.nq)
    assert recording.seconds == pytest.approx(SECONDS)
    np.testing.assert_array_equal(recording.values[0], family.sample("test", TASKS, 0))
    payload = family.model.body("payload").id
    masses = [model.body_mass[payload] for model in recording.models]
    np.testing.assert_allclose(masses, recording.values[0, :, family.parameter_index("payload_mass")])
    assert (recording.reward[0] == 0).all()
    assert (np.diff(recording.reward, axis=0) >= 0).all(), "rewards of this family are not negative"


def test_the_same_seed_plays_the_same(recording: Recording) -> None:
    again = play(load_family(FAMILY), tasks=TASKS, seconds=SECONDS)
    np.testing.assert_array_equal(again.qpos, recording.qpos)
    other = play(load_family(FAMILY), tasks=TASKS, seconds=SECONDS, seed=1)
    assert not np.array_equal(other.values, recording.values)


def test_a_robot_whose_episode_ends_begins_another_on_its_task() -> None:
    family = dataclasses.replace(load_family(FAMILY), episode_seconds=0.2, change=None)
    recording = play(family, tasks=2, seconds=0.5)
    # Episodes of 10 steps: frame 10 is the second episode's start, frame 20 the third's.
    np.testing.assert_array_equal(recording.episode[:, 0], np.repeat([0, 1, 2], [10, 10, 6]))
    assert (recording.reward[[0, 10, 20]] == 0).all()
    np.testing.assert_array_equal(recording.values, np.broadcast_to(recording.values[0], (26, 2, 9)))


def test_a_change_of_physics_begins_another_piece(recording: Recording) -> None:
    values = recording.values.copy()
    values[12:, 1, 0] *= 2
    pieces = content(dataclasses.replace(recording, values=values))["tasks"][1]["pieces"]
    assert [piece["frame"] for piece in pieces] == [0, 12]
    assert pieces[1]["values"][0]["text"] == number(2 * recording.values[0, 1, 0])
    assert pieces[1]["values"][1] == pieces[0]["values"][1]


@pytest.mark.parametrize("name", family_names())
def test_every_family_can_be_viewed(name: str) -> None:
    family = load_family(name)
    recording = play(family, tasks=2, seconds=5 * family.period)
    shown = content(recording)
    json.dumps(shown, allow_nan=False)
    assert shown["geoms"]
    assert shown["moving"]
    for task in shown["tasks"]:
        shares = [value["share"] for value in task["pieces"][0]["values"]]
        assert len(shares) == len(family.parameters)
        assert all(-1e-6 <= share <= 1 + 1e-6 for share in shares), "test tasks lie inside the ranges"
        assert {len(row) for row in task["poses"]} == {7 * len(shown["moving"])}


def test_a_bundle_drives(belief_bundle: PolicyBundle) -> None:
    recording = play(load_family(FAMILY), tasks=2, seconds=0.2, policy=belief_bundle.path)
    assert recording.policy == f"the policy in {belief_bundle.path}"
    random = play(load_family(FAMILY), tasks=2, seconds=0.2)
    assert not np.array_equal(recording.qpos, random.qpos)


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match=r"neither a bundle nor a run with one.*adapt export"):
        play(load_family(FAMILY), tasks=1, policy=tmp_path)


def test_a_bundle_for_another_family_is_refused(
    belief_bundle: PolicyBundle, tmp_path: Path, family: TaskFamily
) -> None:
    folder = shutil.copytree(belief_bundle.path, tmp_path / "bundle")
    change(folder, "family", "name", to="pendulum_juggling")
    with pytest.raises(AdaptError, match=f"made for the family pendulum_juggling, not for {FAMILY}"):
        play(family, tasks=1, policy=tmp_path)


def test_page_loads_nothing(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=|<link|@import|url\(", text)
    assert "default-src 'none'" in text


def test_page_prints_every_parameter_with_its_unit(page: Path, recording: Recording) -> None:
    panels = page.read_text("utf-8").split('<article class="card panel"')[1:]
    assert len(panels) == TASKS
    for index, panel in enumerate(panels):
        for column, kind in enumerate(recording.quantities):
            row = re.search(rf'<li data-parameter="{column}".*?</li>', panel)
            assert row
            assert f"<span>{label(kind.name)}</span>" in row[0]
            assert f"<b>{number(recording.values[0, index, column])}</b>" in row[0]


def test_page_has_the_tasks_own_geometry(page: Path, recording: Recording) -> None:
    shown = _content(page)
    payload = recording.base.body("payload").id
    slot = 7 * shown["moving"].index(payload)
    pivot_to_payload = [np.linalg.norm(task["poses"][0][slot : slot + 3]) for task in shown["tasks"]]
    distances = recording.values[0, :, 1]
    np.testing.assert_allclose(pivot_to_payload, distances, atol=2e-4)


def test_text_of_a_model_is_escaped(recording: Recording, tmp_path: Path) -> None:
    nasty = dataclasses.replace(recording, robot="<img src=x onerror=alert(1)>")
    assert "<img" not in write_page(nasty, tmp_path / "view.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": 0}, "tasks: 0; valid: 1 to 24"),
        ({"tasks": 25}, "tasks: 25; valid: 1 to 24"),
        ({"seconds": 0.0}, "seconds: 0; valid: 0.02 to 120"),
        ({"seconds": float("nan")}, "seconds: nan; valid: 0.02 to 120"),
        ({"split": "tset"}, "tset.*train, test, ood"),
        ({"family_name": "pendulum"}, "unknown family 'pendulum'; valid: pendulum_swingup"),
    ],
)
def test_requests_out_of_range_name_the_valid_ones(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    request = {"family_name": FAMILY, "out": tmp_path / "view.html"} | options
    with pytest.raises((AdaptError, TaskError), match=message):
        view(**request)


def test_a_place_that_cannot_be_written_to_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any, **__: Any) -> None:
        pytest.fail("work was begun")

    monkeypatch.setattr(view_module, "play", nothing)
    (tmp_path / "file").write_text("")
    with pytest.raises(AdaptError, match=r"file/view\.html: cannot be written"):
        view(FAMILY, tmp_path / "file" / "view.html")
    with pytest.raises(AdaptError, match="is a folder"):
        view(FAMILY, tmp_path)
    with pytest.raises(AdaptError, match=r"as '\.avi'; valid: \.gif, \.webp, \.png"):
        view(FAMILY, tmp_path / "view.avi", video=True)


def test_without_opengl_the_page_is_written_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disable")
    command = ["view", FAMILY, "--tasks", "1", "--seconds", "0.1", "--video"]
    assert main([*command, "--out", str(tmp_path / "view.gif")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["view.html"]
    said = capsys.readouterr().err
    assert "no OpenGL for offscreen rendering" in said
    assert "libosmesa6" in said


def test_a_renderer_that_dies_is_an_error(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match=r"rendering with nonsense failed.*invalid value.*nonsense$"):
        write_video(recording, tmp_path / "view.gif", backend="nonsense")


@pytest.mark.parametrize("ending", [".gif", pytest.param(".webp", marks=pytest.mark.slow)])
def test_video_moves(recording: Recording, tmp_path: Path, ending: str) -> None:
    if find_backend() is None:
        pytest.skip("no OpenGL for offscreen rendering")
    arrays = {name: getattr(recording, name)[::15] for name in ("qpos", "reward", "episode", "values")}
    short = dataclasses.replace(recording, period=15 * recording.period, **arrays)
    told: list[tuple[str, int, int]] = []
    path = write_video(short, tmp_path / f"view{ending}", progress=lambda *news: told.append(news))
    assert told == [("tasks rendered", done, TASKS) for done in (1, 2, 3)]
    with Image.open(path) as video:
        assert getattr(video, "n_frames", 1) == 3, "at 0, 0.3 and 0.6 s"
        pictures = []
        for frame in (0, 2):
            video.seek(frame)
            pictures.append(np.asarray(video.convert("RGB")).astype(int))
    first, last = pictures
    assert first.shape[1] == 3 * 330 + 10, "three pictures of 320 px beside each other, 10 px between"
    assert (np.abs(first - last).max(axis=2) > 60).sum() > 500


needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium on PATH")


@needs_browser
@pytest.mark.parametrize("renderer", ["webgl", "canvas"])
def test_page_really_draws_what_moves(page: Path, tmp_path: Path, renderer: str) -> None:
    root = re.search(r"<html[^>]*>", dump_dom(page, fragment=f"t=0&renderer={renderer}"))
    assert root
    assert "data-trouble" not in root[0]
    assert "data-fallback" not in root[0]
    assert f'data-renderer="{renderer}"' in root[0]
    assert f'data-drawn="{TASKS}"' in root[0]
    pictures = []
    for time in (0.0, SECONDS):
        fragment = f"t={time}&renderer={renderer}"
        png = screenshot(page, tmp_path / "view.png", width=1000, height=900, fragment=fragment)
        with Image.open(png) as picture:
            pictures.append(np.asarray(picture.convert("RGB")).astype(int))
    changed = np.abs(pictures[0] - pictures[1]).max(axis=2) > 40
    # Each pendulum is some 60 px long and 5 wide with a weight of 20 px across; the clock and the returns change a
    # few hundred pixels, all of them above or outside the pictures' middle.
    middle = changed[360:600]
    assert middle.sum() > 600, f"{renderer}: nothing moves in the pictures"


# A browser that hurries through its own time for a test need not get round to animation frames.
_FRAMES = """
window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 16);
window.cancelAnimationFrame = clearTimeout;
"""
_HANDS = Path(__file__).with_name("view_hands.js")


@needs_browser
def test_page_answers_to_hands(page: Path, tmp_path: Path) -> None:
    handled = tmp_path / "view.html"
    text = page.read_text("utf-8")
    text = text.replace("<body>", f"<body><script>{_FRAMES}</script>")
    handled.write_text(
        text.replace("</body>", f"<script>{_HANDS.read_text('utf-8')}</script></body>"), encoding="utf-8"
    )
    root = re.search(r"<html[^>]*>", dump_dom(handled, fragment="t=0"))
    assert root
    facts = dict(re.findall(r'data-([\w-]+)="([^"]*)"', root[0]))
    assert "trouble" not in facts
    assert facts["dragged"] == "other"
    assert facts["moved"] == "same", "nothing turns while no button is held"
    assert facts["scrolled"] == "same", "the wheel scrolls the page unless the picture was clicked"
    assert facts["pinched"] == "other"
    assert facts["coloured"] == "other"
    assert facts["home"] == "same", "the view is reset"
    assert facts["scrubbed"] == "other"
    assert facts["clock"] == "0.60 s"
    assert facts["stepped"] == "other"
    assert (facts["playing"], facts["paused"]) == ("Pause", "Play")


@needs_browser
@pytest.mark.parametrize("width", [400, 1440])
def test_nothing_overflows_sideways(page: Path, width: int) -> None:
    root = re.search(r"<html[^>]*>", dump_dom(page, width=width, fragment="t=0"))
    assert root
    facts = dict(re.findall(r'data-([\w-]+)="([^"]*)"', root[0]))
    assert int(facts["content-width"]) <= int(facts["width"]) == width


@needs_browser
def test_every_shape_is_drawn(tmp_path: Path, recording: Recording) -> None:
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><asset><mesh name="wedge" vertex="0 0 0  1 0 0  0 1 0  0 0 1"/></asset><worldbody>
        <geom type="plane" size="0 0 1"/>
        <body name="all"><freejoint/>
          <geom type="sphere" size="0.2"/><geom type="capsule" size="0.1 0.2" pos="1 0 0"/>
          <geom type="ellipsoid" size="0.1 0.2 0.3" pos="2 0 0"/><geom type="cylinder" size="0.1 0.2" pos="3 0 0"/>
          <geom type="box" size="0.1 0.2 0.3" pos="4 0 0"/><geom type="mesh" mesh="wedge" pos="5 0 0"/>
        </body></worldbody></mujoco>"""
    )
    frames = len(recording.qpos)
    shapes = dataclasses.replace(
        recording, base=model, models=(model,) * TASKS, qpos=np.tile(model.qpos0, (frames, TASKS, 1))
    )
    assert sorted(geom["type"] for geom in content(shapes)["geoms"]) == [
        "box", "capsule", "cylinder", "ellipsoid", "mesh", "plane", "sphere",
    ]  # fmt: skip
    path = write_page(shapes, tmp_path / "view.html")
    for renderer in ("webgl", "canvas"):
        root = re.search(r"<html[^>]*>", dump_dom(path, fragment=f"t=0&renderer={renderer}"))
        assert root
        assert "data-trouble" not in root[0]
        assert f'data-drawn="{TASKS}"' in root[0]
