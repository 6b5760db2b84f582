"""What a stage says, and what it leaves behind."""

from pathlib import Path

import pytest

from ganaug.stages.progress import Progress


def test_plain_lines_count_what_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(tmp_path, ["a", "b"])
    with progress.stage("train", 10):
        progress.reporter("a")(3)
        progress.finished("0", "done")
        progress.finished("release", "done")
    assert capsys.readouterr().out.splitlines() == ["[1/2] 0: done", "[2/2] release: done"]
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
