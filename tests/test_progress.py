"""What a stage says, and what it leaves behind."""

from pathlib import Path

import pytest

from ganaug.stages import progress as progress_of
from ganaug.stages.progress import Progress, counting


def test_plain_lines_count_what_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(tmp_path, ["a", "b"])
    with progress.stage("train", 10):
        progress.reporter("a")(3)
        progress.finished("0", "done")
        progress.finished("release", "done")
    assert capsys.readouterr().out.splitlines() == ["train: 2 to do", "[1/2] 0: done", "[2/2] release: done"]
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(tmp_path, []).stage("train", 10):
        pass
    assert "nothing to do" in capsys.readouterr().out


def test_an_interruption_says_that_work_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(tmp_path, ["a"])

    def interrupted() -> None:
        with progress.stage("train", 10):
            progress.reporter("a")(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "finished is kept" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_a_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    progress = Progress(tmp_path, ["a"])
    with progress.stage("train", 10):
        progress.finished("0", "done")
    out = capsys.readouterr().out
    assert "[1/1] 0: done" in out
    assert "100 %" in out


def test_a_log_gets_a_line_at_once_and_then_now_and_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_of, "_EVERY", 0.01)
    progress, said = Progress(tmp_path, ["a", "b"]), ""
    with progress.stage("train", 10):
        assert capsys.readouterr().out == "train: 2 to do\n"
        progress.reporter("a")(5)
        while "25%" not in said:
            said += capsys.readouterr().out
    assert "train: 25% after 0 s, 0 of 2 finished\n" in said
    with counting("reading") as on_done:
        on_done(3, 4000)
        while "reading: 3 of 4,000\n" not in said:
            said += capsys.readouterr().out
        assert "reading ...\n" in said
        on_done(1, 4000)  # begun again, as on another background
        for _ in range(3):
            said = ""
            while not said:
                said = capsys.readouterr().out
        assert said.startswith("reading: 3 of 4,000\n")


def test_what_is_shown_never_goes_back(tmp_path: Path) -> None:
    """Not when a task that had begun is begun again, nor while a worker writes how far it is."""
    progress = Progress(tmp_path, ["a", "b"])
    for steps, shown in ((6, 6), (2, 6), (8, 8)):
        progress.reporter("a")(steps)
        assert progress.completed(10) == shown
    (tmp_path / "a").write_text("")
    assert progress.completed(10) == 8
    progress.finished("a", "done")
    assert progress.completed(10) == 10


def test_a_worker_never_leaves_a_file_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = Progress(tmp_path, ["a"]).reporter("a")
    report(1234)
    seen: list[str] = []
    write = Path.write_text

    def watched(path: Path, text: str) -> int:
        path.open("w").close()  # as far as it is when another process looks
        seen.append((tmp_path / "a").read_text())
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", watched)
    report(1235)
    assert seen == ["1234"]
    assert (tmp_path / "a").read_text() == "1235"
