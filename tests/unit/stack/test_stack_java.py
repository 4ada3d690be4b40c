import os

import pytest

from nocturne.errors import BadInput
from nocturne.stack.java import ensure_java, find_java

FAKE = """#!/bin/sh
echo "    java.home = {home}" >&2
printf '%s\\n' {modules}
"""


@pytest.fixture
def make_java(tmp_path):
    """Make a `java` in a home of its own that tells of these modules; the home."""

    def make(name: str, *modules: str):
        home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        java = home / "bin/java"
        java.write_text(FAKE.format(home=home, modules=" ".join(modules)))
        java.chmod(0o755)
        return home

    return make


@pytest.fixture
def use(monkeypatch):
    """Let JAVA_HOME and the PATH be these."""

    def use(java_home=None, path=""):
        monkeypatch.delenv("JAVA_HOME", raising=False)
        if java_home:
            monkeypatch.setenv("JAVA_HOME", str(java_home))
        monkeypatch.setenv("PATH", str(path))

    return use


def full(version: str) -> tuple[str, ...]:
    return (f"java.base@{version}", f"jdk.incubator.vector@{version}", f"jdk.jfr@{version}")


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.2", "21"])
def test_a_full_17_or_21_is_found(make_java, use, version):
    home = make_java("jdk", *full(version))
    use(java_home=home)
    assert find_java() == home / "bin/java"
    use(path=home / "bin")
    assert find_java() == home / "bin/java"


@pytest.mark.parametrize(
    "modules",
    [
        ("java.base@11.0.2", "java.xml@11.0.2"),
        ("java.base@21.0.1", "jdk.jfr@21.0.1"),
        full("16.0.1"),
        full("18"),
        full("25.0.1"),
        (),
    ],
    ids=["11", "21 without the module", "16", "18", "25", "says nothing"],
)
def test_another_version_or_a_trimmed_one_will_not_do(make_java, use, modules):
    use(path=make_java("jdk", *modules) / "bin")
    assert find_java() is None


def test_java_home_goes_before_the_path(make_java, use):
    ours, other = make_java("ours", *full("21")), make_java("other", *full("17"))
    use(java_home=ours, path=other / "bin")
    assert find_java() == ours / "bin/java"


def test_an_unsuitable_java_home_does_not_hide_the_path(make_java, use):
    old, good = make_java("old", "java.base@11"), make_java("good", *full("17"))
    use(java_home=old, path=good / "bin")
    assert find_java() == good / "bin/java"


def test_behind_a_shim_the_real_one_is_found(make_java, use, tmp_path):
    home = make_java("jdk", *full("17"))
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "java").write_text(f'#!/bin/sh\nexec "{home}/bin/java" "$@"\n')
    (shims / "java").chmod(0o755)
    use(path=shims)
    assert find_java() == home / "bin/java"


def test_what_cannot_be_run_is_no_java(make_java, use):
    home = make_java("jdk", *full("17"))
    (home / "bin/java").write_bytes(b"\x7fELF for another processor")
    use(java_home=home)
    assert find_java() is None
    (home / "bin/java").chmod(0o644)
    assert find_java() is None
    use(java_home=home / "nowhere")
    assert find_java() is None


@pytest.mark.parametrize("user", [0, 1000], ids=["root without apt-get", "another user"])
def test_without_java_one_sentence_says_what_to_do(monkeypatch, use, tmp_path, user):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    use(path=tmp_path)
    with pytest.raises(BadInput) as refused:
        ensure_java()
    assert str(refused.value) == (
        "Nocturne needs Java 17 or 21 with the module jdk.incubator.vector: install it (on Debian"
        " `apt-get install openjdk-17-jre-headless`), or set JAVA_HOME to one."
    )


def test_a_user_is_not_asked_for_root_even_where_apt_get_is(monkeypatch, use, make_java):
    folder = make_java("other", "java.base@11") / "bin"
    (folder / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    use(path=folder)
    with pytest.raises(BadInput, match="JAVA_HOME"):
        ensure_java()


def test_the_java_of_this_machine_will_do():
    """Set-up found or installed it, or Kafka and Spark could not run here."""
    java = ensure_java()
    assert java.is_file()
    assert java.parent.name == "bin"
