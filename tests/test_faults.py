"""Nothing breaks on damaged inputs; the large run is ``make faults``. What finds faults is tried on toys first."""

from pathlib import Path

import pytest
from faults import export_kills, fuzz
from faults.project import finished
from faults.readers import READERS
from faults.toys import TOYS, Hangs

EACH = 3  # inputs of each reader


def test_each_kind_of_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "MOST_RESIDENT", 900 << 20)
    found = fuzz.watched([(toy, 0) for toy in TOYS], 0, tmp_path, tmp_path / "work")
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 0.1)
    found += fuzz.watched([(Hangs, 0)], 0, tmp_path, tmp_path / "work")
    assert [one.kind for one in found] == [*TOYS.values(), "hang"]
    assert found[-1].place.startswith("at ganaug")
    assert [one.is_fault for one in found] == [False, *[True] * len(TOYS)]


def test_damaged_inputs_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    base = finished(tmp_path / "base")
    found = fuzz.watched(fuzz.examples(READERS.values(), EACH), 0, base, tmp_path / "work")
    assert not any(one.is_fault for one in found), fuzz.table(found)


def test_a_killed_export_leaves_the_old_images_or_the_new_ones(tiny_model: Path, tmp_path: Path) -> None:
    cases = list(export_kills.run(tiny_model, tmp_path / "exports", events=("os.rename",)))
    assert cases
    assert [(case.name, case.faults) for case in cases if case.faults] == []
