"""Settings: defaults, what is read, and what is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config import Secret, Settings, in_url, load_settings, remote_target
from engine.config.loading import all_declared, expected
from engine.errors import ConfigurationError


def refusal(**variables: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({f"TRUNKLINE_{name}": value for name, value in variables.items()})
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load_settings({"PATH": "/bin"})
    assert settings.network == Settings().network
    assert settings.pool == Settings().pool
    assert settings.dialogue == Settings().dialogue
    assert settings.paths.state_dir == Path("var").absolute()


def test_each_kind_of_value_is_read() -> None:
    settings = load_settings(
        {
            "TRUNKLINE_CAPACITY": "40",
            "TRUNKLINE_POOL_SPARE": "5",
            "TRUNKLINE_SPEECH_SPEED": "1.2",
            "TRUNKLINE_SPECULATE": "false",
            "TRUNKLINE_STT": "grpc://stt.internal:7000",
            "TRUNKLINE_STT_MODEL": "models/own",
            "TRUNKLINE_SCRIPTED_TEXTS": "hello | two four five|",
            "TRUNKLINE_STORE_TOKEN": "abc",
            "TRUNKLINE_LOG_FORMAT": "json",
        }
    )
    assert settings.pool.capacity == 40
    assert settings.pool.spare == 5
    assert settings.speech.speed == 1.2
    assert settings.dialogue.speculate is False
    assert remote_target(settings.speech.stt) == "stt.internal:7000"
    assert settings.speech.stt_model == Path("models/own").absolute()
    assert settings.scripted.texts == ("hello", "two four five")
    assert settings.store.token.reveal() == "abc"
    assert settings.logging.format == "json"


def test_a_playbook_of_ones_own_is_found_from_any_working_directory() -> None:
    assert load_settings({"TRUNKLINE_PLAYBOOK": "./mine"}).dialogue.playbook == str(Path("mine").absolute())
    assert load_settings({"TRUNKLINE_PLAYBOOK": "tyre_shop"}).dialogue.playbook == "tyre_shop"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"TRUNKLINE_CAPACITY": "", "TRUNKLINE_STT_MODEL": ""}).pool.capacity == 20


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("CAPACITY", "many", "a whole number from 1 up (calls)"),
        ("CAPACITY", "0", "a whole number from 1 up (calls)"),
        ("ADMIN_PORT", "65536", "a whole number from 0 to 65535"),
        ("VAD_THRESHOLD", "nan", "a number from 0.05 to 0.95"),
        ("SPECULATE", "perhaps", "`true` or `false`"),
        ("STT", "grpc://host", "`embedded`, `google`, `openai`, `scripted` or `grpc://HOST:PORT`"),
        ("TTS", "festival", "`embedded`, `nanotts`, `google`, `openai`, `scripted` or `grpc://HOST:PORT`"),
        ("LOG_LEVEL", "chatty", "`debug`, `info`, `warning` or `error`"),
        ("STORE_URL", "ftp://shop", "`embedded` or a URL (`http://…`, `https://…`)"),
        ("LANGUAGE", "English please", "a BCP 47 tag such as `en` or `pt-BR`"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(variable: str, value: str, reason: str) -> None:
    assert f"TRUNKLINE_{variable}: got {value!r}, expected {reason}" in refusal(**{variable: value})


def test_all_wrong_values_are_named_at_once() -> None:
    message = refusal(CAPACITY="x", LOG_FORMAT="xml", BARGE_IN_MS="-1")
    assert message.startswith("3 settings are wrong:")
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == [
        "TRUNKLINE_CAPACITY",
        "TRUNKLINE_BARGE_IN_MS",
        "TRUNKLINE_LOG_FORMAT",
    ]


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    assert "TRUNKLINE_CAPACTY: no such setting; did you mean TRUNKLINE_CAPACITY?" in refusal(CAPACTY="3")
    assert refusal(ZZZZ="1").endswith("TRUNKLINE_ZZZZ: no such setting")


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"PAUSE_MS": "500"}, "TRUNKLINE_PAUSE_MS: got 500, expected less than TRUNKLINE_ENDPOINTING_MS (500)"),
        ({"POOL_READY": "30"}, "TRUNKLINE_POOL_READY: got 30, expected at most"),
        ({"ADMIN_PORT": "9092"}, "TRUNKLINE_ADMIN_PORT: got 9092, expected another port"),
    ],
)
def test_values_that_contradict_each_other_are_refused(variables: dict[str, str], reason: str) -> None:
    assert reason in refusal(**variables)


def test_a_small_pool_is_ready_when_it_is_full() -> None:
    pool = load_settings({"TRUNKLINE_CAPACITY": "1", "TRUNKLINE_POOL_SPARE": "0"}).pool
    assert pool.ready == 1


def test_any_free_port_may_be_asked_for_more_than_once() -> None:
    network = load_settings({"TRUNKLINE_ADMIN_PORT": "0", "TRUNKLINE_TELEPHONY_PORT": "0"}).network
    assert (network.admin_port, network.telephony_port) == (0, 0)


@pytest.mark.parametrize(
    ("host", "listen", "near", "shown"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("::", "::", "::1", "[::1]"),
        ("[::1]", "::1", "::1", "[::1]"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::7", "[2001:db8::7]"),
        ("pbx.example.org", "pbx.example.org", "pbx.example.org", "pbx.example.org"),
    ],
)
def test_the_address_to_listen_on(host: str, listen: str, near: str, shown: str) -> None:
    network = load_settings({"TRUNKLINE_HOST": host}).network
    assert (network.listen, network.near, in_url(network.near)) == (listen, near, shown)


@pytest.mark.parametrize("host", ["two words", "a:b", "[::1", "host:9092", "http://host"])
def test_what_is_no_address_to_listen_on(host: str) -> None:
    assert "TRUNKLINE_HOST" in refusal(HOST=host)


def test_settings_travel_and_compare() -> None:
    settings = load_settings({"TRUNKLINE_TELEPHONY_TOKEN": "hush"})
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert settings != Settings()


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {load_settings({'TRUNKLINE_STORE_TOKEN': 'hush'})}"
    assert secret.reveal() == "hush"
    assert not Secret("")


def test_every_setting_is_documented_and_its_default_is_right() -> None:
    variables = [one.variable for one in all_declared()]
    assert len(variables) == len(set(variables))
    for one in all_declared():
        assert one.rule.help.endswith((".", ".`")), one.variable
        assert expected(one), one.variable
        suffix = one.variable.rpartition("_")[2]
        assert {"MS": "ms", "S": "s", "MB": "MB"}.get(suffix, one.rule.unit) == one.rule.unit, one.variable


def test_a_call_can_hold_settings_without_pydantic() -> None:
    code = "import sys, engine.config; engine.config.Settings(); print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_hosted_model_that_is_named_needs_its_name_and_key() -> None:
    text = refusal(LLM="openai,anthropic,policy")
    for variable in ("OPENAI_CHAT_MODEL", "OPENAI_KEY", "ANTHROPIC_MODEL", "ANTHROPIC_KEY"):
        assert f"TRUNKLINE_{variable}: got nothing" in text
    own = load_settings(
        {
            "TRUNKLINE_LLM": "openai,policy",
            "TRUNKLINE_OPENAI_CHAT_MODEL": "m",
            "TRUNKLINE_OPENAI_CHAT_URL": "http://127.0.0.1:8000/v1",
        }
    )
    assert own.speech.llm == "openai,policy"


def test_a_chain_of_models_names_each_once_and_fits_into_a_callers_patience() -> None:
    assert "expected each model once" in refusal(LLM="policy,policy")
    assert "TRUNKLINE_LLM: got" in refusal(LLM="openai,policies")
    text = refusal(
        LLM="openai,anthropic",
        OPENAI_CHAT_MODEL="m",
        OPENAI_KEY="k",
        ANTHROPIC_MODEL="m",
        ANTHROPIC_KEY="k",
        OPENAI_CHAT_FIRST_S="4",
    )
    assert "got 6.5 s together" in text
    assert remote_target("grpc://a:1") == "a:1"
    assert remote_target("grpc://a:1,policy") is None


def test_an_address_with_a_password_is_refused() -> None:
    text = refusal(OPENAI_URL="https://me:secret@h/v1")
    assert "without user, password" in text
    assert "secret@" not in text


def test_a_knowledge_database_is_a_url_and_a_secret() -> None:
    assert load_settings({}).knowledge.database == ""
    assert load_settings({"TRUNKLINE_KNOWLEDGE": "playbook"}).knowledge.database == ""
    url = "postgresql://user:opensesame@db/knowledge"
    settings = load_settings({"TRUNKLINE_KNOWLEDGE": url})
    assert settings.knowledge.database == url
    assert "opensesame" not in repr(settings)
    with pytest.raises(
        ConfigurationError, match="TRUNKLINE_KNOWLEDGE: got a secret, not shown, expected `playbook`"
    ) as told:
        load_settings({"TRUNKLINE_KNOWLEDGE": "mysql://user:opensesame@db/knowledge"})
    assert "opensesame" not in str(told.value)
