"""The part of a version's name that follows from the code."""

import shutil

import pytest

from nocturne.recommend import code_hash
from nocturne.recommend.candidates import choose_recipe
from nocturne.recommend.code_hash import READERS, hash_code, list_code
from nocturne.settings import load_settings


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The same files elsewhere, where they may be changed."""
    found = {}
    for name, file in list_code().items():
        found[name] = tmp_path / name
        found[name].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, found[name])
    monkeypatch.setattr(code_hash, "list_code", lambda: found)
    return found


def test_what_shapes_the_lists_is_in_it_and_what_reads_them_is_not():
    names = set(list_code())
    assert names >= {
        *("spark_jobs/train_clusters.py", "spark_jobs/train_taste.py", "models/als.py"),
        *("models/taste.py", "recommend/for_you.py", "recommend/tastes.py", "recommend/space.py"),
    }
    assert not names & READERS
    package = code_hash.Path(code_hash.__file__).parents[1]
    assert all((package / name).is_file() for name in READERS)


def test_the_same_code_elsewhere_has_the_same_hash(copied):
    assert hash_code.__wrapped__() == hash_code()


@pytest.mark.parametrize("name", ["recommend/for_you.py", "spark_jobs/train_taste.py"])
def test_a_changed_constant_is_another_recipe(copied, name):
    before = hash_code.__wrapped__()
    copied[name].write_text(copied[name].read_text("utf-8") + "\nMOST = 3\n", "utf-8")
    assert hash_code.__wrapped__() != before


def test_the_recipe_holds_it():
    assert choose_recipe(load_settings(), "fma518", 2, 10).code == hash_code()
