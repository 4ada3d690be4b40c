import pytest

from nocturne.errors import Misuse
from nocturne.stack.logs import tail_logs


@pytest.fixture
def stack_dir(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ("kafka", "mongo", "airflow-scheduler", "airflow-triggerer"):
        (logs / f"{name}.log").write_text("".join(f"{name} {line}\n" for line in range(1, 6)))
    (logs / "kafka.log.1").write_text("rotated\n")
    return tmp_path


def tails(stack_dir, name, lines=2) -> dict[str, str]:
    return {file.stem: text for file, text in tail_logs(stack_dir, name, lines)}


def test_the_last_lines_of_one_log(stack_dir):
    assert tails(stack_dir, "kafka") == {"kafka": "kafka 4\nkafka 5"}


def test_a_name_may_begin_several(stack_dir):
    assert list(tails(stack_dir, "airflow")) == ["airflow-scheduler", "airflow-triggerer"]


def test_without_a_name_all_are_told(stack_dir):
    assert len(tails(stack_dir, "")) == 4


def test_fewer_lines_than_asked_for_are_all(stack_dir):
    assert tails(stack_dir, "mongo", 99)["mongo"].count("\n") == 4


def test_bytes_that_are_no_text_are_shown_somehow(stack_dir):
    (stack_dir / "logs/kafka.log").write_bytes(b"\xff\xfe [broken\n")
    assert tails(stack_dir, "kafka")["kafka"].endswith(" [broken")


def test_an_unknown_name_is_misuse_that_tells_the_known_ones(stack_dir):
    with pytest.raises(Misuse, match="no log of postgres") as refused:
        list(tail_logs(stack_dir, "postgres", 5))
    assert str(refused.value).endswith("airflow-scheduler, airflow-triggerer, kafka, mongo.")


def test_before_the_first_up_there_is_none(tmp_path):
    with pytest.raises(Misuse, match="none yet"):
        list(tail_logs(tmp_path, "", 5))
