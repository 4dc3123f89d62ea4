from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from cryptography.fernet import Fernet

from vera_orchestrator.engine.credentials import Credentials, load_credentials


def test_secrets_stay_the_same(tmp_path: Path) -> None:
    assert load_credentials(tmp_path) == load_credentials(tmp_path)


def test_each_folder_has_secrets_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = load_credentials(tmp_path / "a"), load_credentials(tmp_path / "b")
    assert first.auth_string != second.auth_string
    assert first.encryption_key != second.encryption_key


def test_the_encryption_key_is_one(tmp_path: Path) -> None:
    key = Fernet(load_credentials(tmp_path).encryption_key)
    assert key.decrypt(key.encrypt(b"block")) == b"block"


def test_the_auth_string_has_a_user_and_a_long_password(tmp_path: Path) -> None:
    user, _, password = load_credentials(tmp_path).auth_string.partition(":")
    assert user == "vera"
    assert len(password) >= 43


def test_files_are_for_their_owner_only_even_if_they_were_not(tmp_path: Path) -> None:
    load_credentials(tmp_path)
    (tmp_path / "auth").chmod(0o644)
    load_credentials(tmp_path)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "auth": 0o600,
        "encryption-key": 0o600,
    }


def test_many_that_start_at_once_get_the_same_secrets(tmp_path: Path) -> None:
    together = Barrier(8)

    def load() -> Credentials:
        together.wait()
        return load_credentials(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        loads = [pool.submit(load) for _ in range(8)]
    assert len({load.result() for load in loads}) == 1


def test_no_text_shows_a_secret(tmp_path: Path) -> None:
    credentials = load_credentials(tmp_path)
    assert credentials.auth_string not in repr(credentials)
    assert credentials.encryption_key not in repr(credentials)
