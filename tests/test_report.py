from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from memsim import plots
from memsim.errors import InputError
from memsim.learn import make_study, respond, train
from memsim.report import Section, write_report
from memsim.report.data import write_data_report
from memsim.report.run import motions, write_run_report
from memsim.verify import Evidence, LayerVerification, Verification

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Elements of a page in order, with their attributes; fails where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def sections() -> list[Section]:
    figure = plots.conductance_map(np.full((64, 10), 2e-5), np.eye(64, 10) * 1e-4)
    wide = ("network", *(f"seed {n} [%]" for n in range(12)))
    return [
        Section(
            heading="Training",
            text="Backpropagation through time.\n\nSecond paragraph.",
            tables=[(("quantity", "value"), [("test accuracy", "97.1 %"), ("epochs", 20)])],
            figures=[("conductances of the first crossbar", figure)],
            command="memsim train --out runs/" + "very-long-name-" * 8,
        ),
        Section(heading="A wide table", tables=[(wide, [("64-32-10", *(97.25 + n for n in range(12)))])]),
    ]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(write_report(tmp_path / "run" / "report.html", "Digits", sections()).read_text())


def test_page_needs_nothing_from_elsewhere(page: Page) -> None:
    assert page.all("script", "link", "iframe") == []
    sources = [image["src"] or "" for image in page.all("img")]
    assert sources
    assert all(source.startswith("data:image/png;base64,iVBORw0") for source in sources)
    assert all((anchor["href"] or "").startswith("#section-") for anchor in page.all("a"))


def test_page_is_accessible(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert [tag for tag, _ in page.elements if tag in {"h1", "h2", "h3"}] == ["h1", "h2", "h2"]
    assert [image["alt"] for image in page.all("img")] == ["conductances of the first crossbar"]
    assert {header["scope"] for header in page.all("th")} == {"col", "row"}
    assert {attributes.get("name") for attributes in page.all("meta")} >= {"viewport"}


def test_text_is_never_markup(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    section = Section(
        heading=hostile,
        text=hostile,
        tables=[((hostile,), [(hostile,)])],
        figures=[(f'"><{hostile}', plots.raster([[1e-3]]))],
        command=hostile,
    )
    path = write_report(tmp_path / "report.html", hostile, [section])
    assert Page(path.read_text()).all("script") == []


def test_bad_sections_are_named() -> None:
    with pytest.raises(InputError, match=r"section 'Training' has 1 cells, its header 2"):
        Section(heading="Training", tables=[(("quantity", "value"), [("epochs",)])])
    with pytest.raises(InputError, match="say in words what it shows"):
        Section(heading="Training", figures=[(" ", plots.raster([[1e-3]]))])


@pytest.mark.parametrize("whole", [True, False])
def test_a_verified_run_shows_errors_and_energies_of_each_layer(tmp_path: Path, whole: bool) -> None:
    study = make_study(hidden=(4,), epochs=1, step=1e-3)
    run = train(study, tmp_path)
    layers = (
        LayerVerification(4, 0.00012, 0.0034, 2.5e-9, 2.5e-9, 67e-9, 67e-9),
        LayerVerification(10, 0.00056, 0.0078, 1.5e-9, 1.5e-9, 5e-9, 5e-9),
    )
    verification = Verification(
        images=3,
        whole=whole,
        same_class=1.0,
        ngspice_accuracy=1.0,
        twin_accuracy=1.0,
        same_class_at_training_step=1.0,
        mean_error=0.00056,
        worst_error=0.0078,
        worst_error_at_training_step=0.02,
        energy_ngspice=76e-9,
        energy_twin=76e-9,
        energy_difference=1e-5,
        seconds_ngspice=6.0,
        cpu_seconds_ngspice=5.0,
        seconds_twin=1.0,
        layers=layers,
    )
    waves = np.random.default_rng(0).normal(size=(3, 11, 10))
    evidence = Evidence(verification, np.linspace(0, 10e-3, 11), waves, waves, np.arange(3))
    text = write_run_report(run, tmp_path, evidence).read_text()
    Page(text)
    for shown in ("1, 4 neurons", "2.5 nJ", "67 nJ", "0.34%", "0.056%", "76 nJ", "2.00"):
        assert shown in text
    assert ("in one deck for each image" in text) is whole
    assert f"--images 3 {'--whole' if whole else '--by-layer'}" in text


def test_waveforms_and_sweeps_have_pages(tmp_path: Path) -> None:
    time = ("time", np.linspace(0, 1e-3, 5), {"units": "s"})
    waves = xr.Dataset(
        {"v(mem)": ("time", np.array([0, 0.01, 0.045, -0.012, 0]), {"units": "V"})},
        coords={"time": time},
        attrs={"title": "one spike", "engine": "ngspice-39"},
    )
    text = write_data_report(waves, Path("waves.nc"), tmp_path / "waves.html").read_text()
    for shown in (
        "one spike",
        "ngspice-39",
        "45 mV",
        "-12 mV",
        "memsim plot waves.nc --show &#39;v(mem)&#39;",
    ):
        assert shown in text
    assert len(Page(text).all("img")) == 1
    peaks = {"peak": ("iin", np.array([0.01, 0.02, np.nan]), {"units": "V"}), "status": ("iin", [1, 1, 2])}
    results = xr.Dataset(
        peaks, coords={"iin": ("iin", [1e-6, 2e-6, 3e-6], {"units": "A"})}, attrs={"kind": "sweep"}
    )
    text = write_data_report(results, Path("f-i.nc"), tmp_path / "f-i.html").read_text()
    assert "3 points over iin (3); 1 failed" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to draw the page")
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_the_screen(tmp_path: Path, width: int) -> None:
    path = write_report(tmp_path / "report.html", "Digits", sections())
    # A headless window is at least 500 wide: a frame gives the width of a phone. The title then says by how much
    # the page runs out of it.
    frame = (
        f'<iframe src="report.html" style="width:{width}px;height:800px;border:0"></iframe><script>'
        "onload = () => { const page = frames[0].document.documentElement;"
        "const drawn = [...frames[0].document.images].filter(image => image.naturalWidth > 0).length;"
        "document.title = `overflow ${page.scrollWidth - page.clientWidth}, ${drawn} pictures`; }</script>"
    )
    (tmp_path / "frame.html").write_text(frame)
    assert path.is_file()
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1400,900",
        ),
        *(
            "--enable-logging=stderr",
            "--virtual-time-budget=3000",
            "--dump-dom",
            (tmp_path / "frame.html").as_uri(),
        ),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "<title>overflow 0, 1 pictures</title>" in shown.stdout
    assert ":CONSOLE" not in shown.stderr


@pytest.mark.parametrize("target", ["velocity", "flow"])
def test_a_run_on_events_shows_what_moves(target: str, tmp_path: Path) -> None:
    side = 8
    scenes = {"side": side, "train": 40, "test": 10, "history": 1}
    image = {"channels": 2, "kernel": 3, "padding": 1, "output": True}
    study = make_study(
        data={"name": "event-scenes", "targets": target, "scenes": scenes},
        steps=2,
        coding="direct",
        layers=({"neurons": 8},) if target == "velocity" else (image,),
    )
    run = train(study, tmp_path)
    seen = motions(run, 2)
    for number, one in enumerate(seen):
        present = run.data.test.stored[number].view(2, 2, 2, side, side)[:, 0].sum(dim=0)
        np.testing.assert_array_equal(one.events, present)
        # labels are single precision, in units of 120 pixels/s
        wanted = 120 * run.data.test.labels[number].view(2, -1).squeeze()
        np.testing.assert_allclose(np.reshape(one.known, wanted.shape), wanted, rtol=1e-6)
        found = 120 * respond(run.network, run.data.test)[number].view(2, -1).squeeze()
        np.testing.assert_allclose(np.reshape(one.found, found.shape), found, rtol=1e-5, atol=1e-6)
    write_run_report(run, tmp_path)
    assert (tmp_path / "motion.png").exists()
    assert "velocities of the first test recordings" in (tmp_path / "report.html").read_text()
