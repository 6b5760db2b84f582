"""The report's page in a browser: what a click does, and what a phone shows. Without Chromium only its text is read."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from test_pipeline import BARE, project

from ganaug.report import plots
from ganaug.stages.pipeline import run
from ganaug.stages.project import Project

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
in_a_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = project(tmp_path_factory.mktemp("done"), classify=BARE["classify"])
    run(made)
    return made


def seen(page: Path, script: str, tmp_path: Path, width: int = 1100) -> Any:
    """What the expression ``script`` gives in the page, opened from disk in a window of that width."""
    # In a frame, since a headless window is never as narrow as a phone.
    asked = page.read_text().replace(
        "</body>", f'<pre id="answer"></pre><script>answer.textContent = JSON.stringify(({script})());</script></body>'
    )
    copy = page.with_name("asked.html")
    copy.write_text(asked)
    frame = page.with_name("frame.html")
    frame.write_text(
        f'<iframe id="inner" src="asked.html" style="width: {width}px; height: 900px; border: 0"></iframe>'
        '<pre id="out"></pre><script>inner.onload = () => '
        "{ out.textContent = inner.contentDocument.getElementById('answer').textContent; };</script>"
    )
    switches = ("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--no-first-run")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic")
    dump = subprocess.run(
        [
            CHROMIUM,
            *switches,
            *quiet,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            frame.resolve().as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    copy.unlink()
    frame.unlink()
    answer = re.search(r'<pre id="out">(.*?)</pre>', dump.stdout, re.DOTALL)
    assert answer, dump.stderr
    return json.loads(unescape(answer.group(1)))


def test_every_table_to_sort_has_a_head_and_a_body(done: Project) -> None:
    text = (done.reports / "report.html").read_text()
    tables = re.findall(r'<table class="[^"]*sortable[^"]*">(.*?)</table>', text, re.DOTALL)
    assert len(tables) >= 4
    for table in tables:
        assert [table.count(tag) for tag in ("<thead>", "</thead>", "<tbody>", "</tbody>")] == [1, 1, 1, 1]


@in_a_browser
def test_a_click_sorts_and_a_word_filters(done: Project, tmp_path: Path) -> None:
    script = """() => {
        const heads = (table) => [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
        const tables = [...document.querySelectorAll("table.sortable")];
        const table = tables.find((one) => heads(one).slice(0, 2).join() === "class,none");
        const rows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
        const column = () => rows().map((row) => parseFloat(row.cells[1].textContent));
        const head = table.tHead.rows[0].cells[1];
        head.click(); const falling = column();
        head.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" })); const rising = column();
        const filter = table.parentElement.previousElementSibling;
        filter.value = "7"; filter.dispatchEvent(new Event("input"));
        const left = rows().map((row) => row.cells[0].textContent);
        return { falling, rising, left, all: table.tBodies[0].rows.length };
    }"""
    found = seen(done.reports / "report.html", script, tmp_path)
    assert found["all"] == 10
    assert found["falling"] == sorted(found["falling"], reverse=True)
    assert found["rising"] == sorted(found["falling"])
    assert found["left"] == ["7"]


@in_a_browser
def test_a_click_enlarges_a_plot_and_another_puts_it_away(done: Project, tmp_path: Path) -> None:
    script = """() => {
        const dialog = document.querySelector("dialog"), plot = document.querySelector(".plot svg");
        plot.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        const width = (one) => one.getBoundingClientRect().width;
        const open = dialog.open, shown = dialog.firstElementChild;
        const larger = width(shown) > width(plot);
        dialog.click();
        return { open, shown: shown.tagName, larger, closed: !dialog.open };
    }"""
    found = seen(done.reports / "report.html", script, tmp_path)
    assert found == {"open": True, "shown": "svg", "larger": True, "closed": True}


@in_a_browser
def test_a_phone_need_not_scroll_sideways_but_within_plots_and_tables(done: Project, tmp_path: Path) -> None:
    script = """() => ({
        page: document.documentElement.scrollWidth,
        window: innerWidth,
        smallest: Math.min(...[...document.querySelectorAll(".plot text")]
            .map((one) => one.getBoundingClientRect().height).filter(Boolean)),
    })"""
    found = seen(done.reports / "report.html", script, tmp_path, width=400)
    assert found["window"] == 400
    assert found["page"] <= 400
    assert found["smallest"] >= 9  # pixels: legible


@in_a_browser
def test_the_page_says_on_what_it_ran_where_the_times_lie_next_to_it(done: Project, tmp_path: Path) -> None:
    page, script = done.reports / "report.html", "() => document.getElementById('run').textContent"
    told = seen(page, script, tmp_path)
    assert re.search(r"GANs 3 in \d+\.\d minutes on cpu, classifiers 4 in", told)
    assert "torch 2." in told
    assert "null" not in told
    assert "undefined" not in told
    (page.parent / "timings.js").write_text(
        (page.parent / "timings.js").read_text().replace('"summary": "', '"summary": "0')
    )
    assert "timings.json" in seen(page, script, tmp_path)  # the times of another run
    alone = tmp_path / "mailed" / "report.html"
    alone.parent.mkdir()
    shutil.copy(page, alone)
    assert "timings.json" in seen(alone, script, tmp_path)


_UPRIGHT = """() => {
    const texts = [...document.querySelectorAll("text")];
    const boxes = texts.filter(one => !one.getAttribute("transform").includes("(-20"))
                       .map(one => one.getBoundingClientRect());
    return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right
                                                           && a.top < b.bottom && b.top < a.bottom));
}"""


@in_a_browser
@pytest.mark.parametrize(
    ("names", "slanted"),
    [
        (["none"], False),
        (["none", "classical", "gan", "gan+classical", "placebo"], False),
        (["none", "classical", "gan", "gan+classical", "smote", "smote+classical"], False),
        (["none", "classical", "gan", "gan+classical", "placebo", "smote", "smote+classical"], True),
        (["none", "rand-augment+smote", "trivial-augment+gan", "trivial-augment"], True),
    ],
)
def test_the_names_of_arms_do_not_run_into_each_other(names: list[str], slanted: bool, tmp_path: Path) -> None:
    svg = plots.arms({name: [80.0, 84.0] for name in names}, "accuracy")
    assert ("rotate(-20" in svg) is slanted
    page = tmp_path / "page.html"
    page.write_text(f"<body>{svg}</body>")
    assert seen(page, _UPRIGHT, tmp_path) is False
