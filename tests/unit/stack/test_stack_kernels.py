"""The kernels are compiled once, beside the rest of the set-up."""

import os
import time
from pathlib import Path

import psutil
import pytest

from nocturne.errors import NocturneError
from nocturne.stack import kernels
from nocturne.stack.kernels import STAMP, compiling_kernels


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Stands in for numba's minute: a module that notes that it ran, and does what it is told."""

    def write(line: str) -> None:
        said = f"open({str(tmp_path / 'ran')!r}, 'a').write('once ')"
        (tmp_path / "compiler.py").write_text(f"{said}\n{line}\n", encoding="utf-8")

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(kernels, "MODULE", "compiler")
    write("")
    return write


def compile_now(tmp_path) -> list[str]:
    said: list[str] = []
    with compiling_kernels(tmp_path, said.append):
        pass
    return said


def test_what_is_compiled_is_not_compiled_again(compiler, tmp_path):
    assert compile_now(tmp_path) == ["the kernels of the audio features"]
    assert compile_now(tmp_path) == []
    assert (tmp_path / "ran").read_text("utf-8") == "once "


def test_other_sources_are_compiled_anew(compiler, tmp_path, monkeypatch):
    compile_now(tmp_path)
    (tmp_path / "kernel.py").write_text("changed = True", encoding="utf-8")
    monkeypatch.setattr(kernels, "SOURCES", tmp_path)
    compile_now(tmp_path)
    assert (tmp_path / "ran").read_text("utf-8") == "once once "


def test_a_compiler_that_fails_is_told_and_tried_again(compiler, tmp_path):
    compiler("raise SystemExit('no such processor')")
    with pytest.raises(NocturneError, match="no such processor"):
        compile_now(tmp_path)
    assert not (tmp_path / STAMP).exists()


def interrupt_once_there(file: Path) -> None:
    until = time.monotonic() + 60
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)
    raise KeyboardInterrupt


def test_a_set_up_that_fails_leaves_no_compiler(compiler, tmp_path):
    compiler("import time; time.sleep(600)")
    with pytest.raises(KeyboardInterrupt), compiling_kernels(tmp_path, print):
        interrupt_once_there(tmp_path / "ran")
    left = [child.cmdline() for child in psutil.Process(os.getpid()).children()]
    assert not [words for words in left if "compiler" in words]
    assert not (tmp_path / STAMP).exists()
