"""Access tokens and sign-ins."""

from pathlib import Path

import pytest

from app.runtime.errors import VoicemonError
from app.runtime.settings import WebSettings
from app.web.sessions import Sessions
from app.web.tokens import Grant, Tokens, configured_tokens, new_token, token_line

HOUR_MS = 3_600_000
KEY = "k" * 32


def tokens(text: str = "", **others: str) -> Tokens:
    return configured_tokens(WebSettings.model_validate({"tokens": text, **others}))


def test_a_new_token_is_known_by_the_line_with_its_hash(tmp_path: Path) -> None:
    token, other = new_token(), new_token()
    line = token_line("anna", "org/ü a;b", token)
    assert token not in line
    file = tmp_path / "tokens"
    file.write_text(f"# our tokens\n\n{line}\n{token_line('bob', None, other)}\n")
    known = tokens(tokens_file=str(file))
    anna, bob = known.find(token), known.find(other)
    assert anna is not None
    assert bob is not None
    assert (anna.name, anna.organization_id) == ("anna", "org/ü a;b")
    assert (bob.name, bob.organization_id) == ("bob", None)
    assert known.find(new_token()) is None
    assert known.find("") is None


def test_a_token_may_stand_there_plainly_if_it_is_long() -> None:
    grant = tokens("a staff 12345678901234567890; b organization:x abcdefghijklmnopqrstu").find("12345678901234567890")
    assert grant is not None
    assert "1234567890" not in repr(grant)


@pytest.mark.parametrize(
    "line",
    [
        "anna staff",
        "anna admin 12345678901234567890",
        "anna organization: 12345678901234567890",
        "an/na staff 12345678901234567890",
        "anna staff shortsecret",
        "anna staff sha256:12ab",
        "a staff 12345678901234567890;a staff 12345678901234567891",
        "a staff 12345678901234567890;b staff 12345678901234567890",
    ],
)
def test_a_wrong_line_is_named_without_its_secret(line: str) -> None:
    with pytest.raises(VoicemonError, match=r"VOICEMON_WEB_TOKENS, line \d") as caught:
        tokens(line)
    assert "1234567890" not in str(caught.value)
    assert "shortsecret" not in str(caught.value)


def test_a_tokens_file_that_is_not_there_is_told() -> None:
    with pytest.raises(VoicemonError, match="VOICEMON_WEB_TOKENS_FILE"):
        tokens(tokens_file="/nowhere/tokens")


def sessions(text: str, key: str = KEY) -> Sessions:
    return Sessions(tokens(text), WebSettings.model_validate({"session_key": key}))


def sign_in(ours: Sessions, text: str) -> str:
    [grant] = tokens(text).all()
    return ours.issue(grant, 0)


@pytest.mark.parametrize("key", [KEY, ""])
def test_a_sign_in_ends_with_its_time_its_token_and_by_signing_out(key: str) -> None:
    line, changed = "a staff 12345678901234567890", "a organization:x 12345678901234567890"
    ours = sessions(line, key)
    value = sign_in(ours, line)
    assert "12345678901234567890" not in value
    assert ours.find(value, 12 * HOUR_MS - 1) == tokens(line).all()[0]
    assert ours.find(value, 12 * HOUR_MS) is None
    assert sessions(line, "l" * 32).find(value, 0) is None
    assert sessions(changed, key).find(value, 0) is None
    assert sessions("a staff 22345678901234567890", key).find(value, 0) is None
    assert sessions("b staff 12345678901234567890", key).find(value, 0) is None
    assert sessions("", key).find(value, 0) is None
    for forged in ("", ".", "a.b", value[:-1], "x" + value, value * 50, "ü." + value, value.replace(".", "=.")):
        assert ours.find(forged, 0) is None
    ours.revoke(value, 0)
    assert ours.find(value, 0) is None


@pytest.mark.parametrize("key", [KEY, ""])
def test_workers_with_the_same_settings_take_each_others_sign_ins_also_while_tokens_change(key: str) -> None:
    anna, bob = "anna staff 12345678901234567890", "bob organization:x abcdefghijklmnopqrst"
    value = sign_in(sessions(anna, key), anna)
    for text in (anna, f"{bob};{anna}", f"{anna};bob staff another-token-of-twenty"):
        grant = sessions(text, key).find(value, 0)
        assert grant is not None, text
        assert (grant.name, grant.organization_id) == ("anna", None)


def test_a_sign_in_cannot_be_turned_into_that_of_another_token() -> None:
    ours = sessions("anna staff 12345678901234567890; bob organization:x abcdefghijklmnopqrst", "")
    anna, bob = ours.issue(Grant("anna"), 0), ours.issue(Grant("bob"), 0)
    assert ours.find(f"{anna.partition('.')[0]}.{bob.partition('.')[2]}", 0) is None


def test_a_short_session_key_is_refused() -> None:
    with pytest.raises(VoicemonError, match="VOICEMON_WEB_SESSION_KEY"):
        sessions("a staff 12345678901234567890", "short")
