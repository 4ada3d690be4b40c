import stat
from dataclasses import asdict

import pytest
from cryptography.fernet import Fernet

from nocturne.stack.passwords import Passwords, ensure_passwords, read_passwords, write_private


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_passwords_are_generated_once(tmp_path):
    assert read_passwords(tmp_path) is None
    first = ensure_passwords(tmp_path)
    assert ensure_passwords(tmp_path) == first == read_passwords(tmp_path)


def test_two_homes_share_no_secret():
    one, other = asdict(Passwords()), asdict(Passwords())
    assert not set(one.values()) & set(other.values())
    assert len(set(one.values())) == len(one)
    assert min(len(secret) for secret in one.values()) >= 24


def test_the_file_is_readable_by_its_owner_alone(tmp_path):
    ensure_passwords(tmp_path)
    assert mode(tmp_path / "passwords.json") == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["passwords.json"]


def test_the_fernet_key_is_one():
    key = Fernet(Passwords().airflow_fernet)
    assert key.decrypt(key.encrypt(b"secret")) == b"secret"


def test_the_mongo_password_needs_no_quoting_in_an_address():
    assert all(Passwords().mongo.replace("-", "").replace("_", "").isalnum() for _ in range(50))


def test_what_was_readable_by_all_is_private_once_written_again(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o600


def test_what_a_killed_process_left_half_written_is_not_in_the_way(tmp_path):
    (tmp_path / "secret.new").write_text("ha")
    write_private(tmp_path / "secret", "whole")
    assert (tmp_path / "secret").read_text() == "whole"
    assert not (tmp_path / "secret.new").exists()


def test_the_old_file_stays_if_the_new_one_cannot_be_written(tmp_path):
    write_private(tmp_path / "secret", "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(tmp_path / "secret", "\ud800")
    assert (tmp_path / "secret").read_text() == "old"
