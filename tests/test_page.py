"""The report's page in a browser: what a click does, and what a phone shows. Without Chromium only its text is read."""

import json
import re
import shutil
import subprocess
from datetime import date, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from test_pipeline import BARE, project

from ganaug.report import interval, plots
from ganaug.report.answer import answer
from ganaug.stages import gate
from ganaug.stages.fidelity import read_nearest
from ganaug.stages.pipeline import run
from ganaug.stages.project import Project
from ganaug.stages.sheets import neighbours
from ganaug.stages.split import open_splits

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


class Outline(HTMLParser):
    """A page's elements, each as (tag, attributes, the tags that it is in)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.texts: list[tuple[str, tuple[str, ...]]] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self._open)))
        if tag not in ("meta", "img", "input", "br", "link"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.texts.append((data, tuple(self._open)))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes, _ in self.elements if tag in tags]


def test_who_does_not_see_the_page_hears_it(done: Project) -> None:
    page = Outline((done.reports / "report.html").read_text())
    levels = [int(tag[1]) for tag, *_ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(level <= before + 1 for before, level in pairwise(levels))
    assert all(one.get("scope") in ("row", "col", "rowgroup") for one in page.all("th"))
    assert all(one.get("alt") for one in page.all("img"))
    assert all(one.get("aria-label") if one.get("role") == "img" else one.get("aria-hidden") for one in page.all("svg"))
    assert page.all("html") == [{"lang": "en"}]
    assert page.all("main") == [{}]


def test_the_answer_is_at_the_top_with_its_gain_and_what_to_do_next(done: Project) -> None:
    text, summary = (done.reports / "report.html").read_text(), json.loads((done.reports / "summary.json").read_text())
    found = answer(summary)
    assert found
    top = text[text.index("<main>") : text.index("<h2>Gains</h2>")]
    assert f"</span>{found.title}</h1>" in top
    assert f"says-{found.word.replace(' ', '-')}" in top
    said = interval.in_words(found.figure)
    assert said in top
    assert escape(found.reason) in top
    assert all(escape(one) in top for one in (*found.cautions, *(step.text for step in found.steps)))
    assert all(f"<code>{step.command}</code>" in top for step in found.steps if step.command)
    assert top.count("<img") == 8  # real ones and generated ones of four classes
    assert "<details" not in top
    first = text.index('<tr class="decides">')
    assert first < text.index('<th scope="row">')  # of the table of gains


def test_the_page_does_not_hold_its_date(done: Project) -> None:
    day = json.loads((done.reports / "timings.json").read_text())["finished"][:10]
    assert date.fromisoformat(day) <= date.today() + timedelta(days=1)
    assert not re.search(r"20\d\d-\d\d-\d\d", (done.reports / "report.html").read_text().split("<details>")[0])
    assert '"finished"' in (done.reports / "timings.js").read_text()


def test_a_warning_stands_at_its_figure_and_is_not_folded_away(done: Project) -> None:
    text = (done.reports / "report.html").read_text()
    summary = json.loads((done.reports / "summary.json").read_text())
    open_text = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert len(summary["fidelity"]["warnings"]) >= 3
    for warning in summary["fidelity"]["warnings"]:
        figure, _, says = warning.partition(": ")
        assert escape(says or warning) in open_text
        if figure in ("FID", "inception score"):
            row = re.search(rf'<tr><th scope="row">{figure}</th>.*?</tr>', text, re.DOTALL)
            assert row
            assert escape(says) in row[0]


def test_a_pair_is_captioned_with_both_classes(done: Project) -> None:
    trials = [split for split in open_splits(done) if split.name != "release"]
    found = neighbours(trials)
    row, pair = read_nearest(trials[0])[0], found.first[0]
    assert pair[0] == row["class"]
    assert pair[2][0] == trials[0].classes[trials[0].prepared.labels[row["train_row"]]]
    text = (done.reports / "report.html").read_text()
    assert any(one.generated_as != one.training_class for one in found.nearest)  # a GAN of 6 steps
    for one in found.nearest:
        assert f'alt="an image generated as {one.generated_as}, above a training image of {one.training_class}"' in text
        assert f"<figcaption>training image of {one.training_class}<br>" in text


def test_programs_read_the_verdict_and_the_gate_as_json(done: Project, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((done.reports / "summary.json").read_text())
    gate.show_verdict(done, as_json=True)
    told, found = json.loads(capsys.readouterr().out), answer(summary)
    assert found
    assert {key: told[key] for key in ("schema", "answer", "gain", "metric", "smallest_gain", "needed", "reason")} == {
        "schema": 1, "answer": found.word, "gain": found.gain, "metric": found.metric, "smallest_gain": 2.0,
        "needed": found.figure["needed"], "reason": found.reason,
    }  # fmt: skip
    assert told["interval"] == [found.figure["ci_low"], found.figure["ci_high"]]
    assert (told["mean"], told["trials"]) == (found.figure["mean"], 2)
    assert told["steps"] == [{"text": step.text, "command": step.command} for step in found.steps]
    assert told["cautions"] == list(found.cautions)
    assert told["finished"] == json.loads((done.reports / "timings.json").read_text())["finished"]

    status = gate.gate(done, markdown=False, as_json=True)
    judged = json.loads(capsys.readouterr().out)
    assert judged["verdict"] == told
    assert judged["status"] == status
    assert [(rule["gain"], rule["above"], rule["status"]) for rule in judged["rules"]] == [
        (rule["gain"], 0.0, rule["status"]) for rule in summary["gate"]
    ]
    assert (judged["falls"], judged["notes"]) == ([], [])


def test_a_comment_begins_with_the_answer_and_its_day(done: Project, capsys: pytest.CaptureFixture[str]) -> None:
    gate.gate(done, markdown=True)
    said = capsys.readouterr().out
    found = answer(json.loads((done.reports / "summary.json").read_text()))
    assert found
    assert said.startswith(f"### {found.title}\n")
    assert json.loads((done.reports / "timings.json").read_text())["finished"][:10] in said
    assert "\n### ganaug gate: " in said


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"summary": 3}', '{"finished": "yesterday"}', "\x00"])
def test_a_day_that_is_not_known_is_left_out(done: Project, broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    times = done.reports / "timings.json"
    kept = times.read_bytes()
    times.write_text(broken or json.dumps({**json.loads(kept), "summary": "of another run"}))
    gate.show_verdict(done, as_json=True)
    times.write_bytes(kept)
    assert json.loads(capsys.readouterr().out)["finished"] is None


@in_a_browser
def test_a_click_sorts_and_a_word_filters(done: Project, tmp_path: Path) -> None:
    script = """() => {
        const heads = (table) => [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
        const tables = [...document.querySelectorAll("table.sortable")];
        const table = tables.find((one) => heads(one).slice(0, 2).join() === "class,none");
        const rows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
        const column = () => rows().map((row) => parseFloat(row.cells[1].textContent));
        const head = table.tHead.rows[0].cells[1];
        const button = head.querySelector("button");
        button.click(); const falling = column();
        button.click(); const rising = column();
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
        plot.closest("button").click();
        const width = (one) => one.getBoundingClientRect().width;
        const open = dialog.open, shown = dialog.lastElementChild;
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
