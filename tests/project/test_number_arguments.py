"""Numbers on command lines and in settings: refused with a sentence, or what they say."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from models import __main__ as models
from models.registry import Registry
from service import __main__ as service
from service import client
from service.batch.options import parser as batch
from service.keys.__main__ import main as make_key
from service.keys.parse import read
from service.settings import Settings
from tests.codecs.test_numbers import plainly, said, spellings
from tests.conftest import Publish
from tests.project.test_client import Scripted
from tests.servers import in_thread
from training import commands
from training.drift import command as drift

Main = Callable[[Sequence[str]], int]
Capture = pytest.CaptureFixture[str]


def texts(number: int) -> list[str]:
    return [*(text for text in spellings(number) if "\0" not in text), "", "0", "-0", "0.0"]


def hold(main: Main, capsys: Capture, command: str, number: int) -> None:
    """Run `command` with each spelling of a number where it has an N."""

    def ran(text: str) -> tuple[int, str, str]:
        try:
            code = main([text if word == "N" else word for word in command.split()])
        except SystemExit as error:
            code = int(error.code or 0)
        return code, *capsys.readouterr()

    assert ran(str(number))[0] == 0
    for text in texts(number):
        code, out, err = ran(text)
        value = said(text)
        if code:
            assert err, f"{text[:40]!r} was refused without a word"
            assert "Traceback" not in err
            assert len(err) < 2000 or text.startswith("-")  # which argparse takes for an option
        else:
            assert value is not None, f"{text[:40]!r} was taken"
            assert (code, out) == ran(plainly(value))[:2]


@pytest.fixture
def shelf(registry: Registry, publish_text: Publish) -> Registry:
    """`half` with three versions, the first stable."""
    publish_text()
    publish_text(promote=False)
    publish_text(promote=False)
    return registry


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("show half N", 2),
        ("verify half N", 2),
        ("label half canary N", 2),
        ("label half canary 2 --percent N", 5),
        ("prune half --keep N", 3),
    ],
)
def test_the_registry(shelf: Registry, capsys: Capture, command: str, number: int) -> None:
    hold(models.main, capsys, f"--registry {shelf.root} {command}", number)


def test_version_0_is_not_taken_for_none(shelf: Registry, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        models.main(["--registry", str(shelf.root), "show", "half", "0"])
    assert "expected a whole number from 1 to 999999999; got '0'" in capsys.readouterr().err


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with in_thread(Scripted()) as server:
        yield server


@pytest.mark.parametrize(
    ("command", "number"),
    [("N 1 2", 5), ("5 1 2 --version N", 1), ("5 1 2 --timeout N", 10)],
)
def test_the_client(scripted: Scripted, capsys: Capture, command: str, number: int) -> None:
    hold(client.main, capsys, f"--url {scripted.url} {command}", number)


@pytest.mark.parametrize(
    "value",
    [
        *spellings(1),
        "Tue, 24 Nov 2026 00:00:00 +99999999999999999",
        "Tue, 24 Nov 99999 00:00:00 GMT",
        "Tue, 24 Nov 9999 23:59:59 -2359",
        f"Tue, 24 Nov {'9' * 5000} 00:00:00 GMT",
    ],
)
def test_any_retry_after_is_waited_for_or_passed_over(scripted: Scripted, value: str) -> None:
    slept: list[float] = []
    scripted.script = [(503, {"Retry-After": value.encode("latin-1", "ignore").decode("latin-1")})]
    asking = client.Client(scripted.url, sleep=slept.append)
    try:
        asking.predict({"sugar": 5})
    except client.Refused:
        assert slept == []  # it asked for more than is waited
    else:
        assert all(0 <= seconds <= 10 for seconds in slept)


def test_a_key_s_rate(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "keys.toml"

    def main(arguments: Sequence[str]) -> int:
        file.unlink(missing_ok=True)
        code = make_key(arguments)
        capsys.readouterr()
        print([key.rate for key in read(file)] if file.exists() else "")
        return code

    hold(main, capsys, f"shop --append {file} --rate N", 50)


@pytest.mark.parametrize(
    "rate", [*texts(50), '"50"', "true", "[50]", "1" + "0" * 400, "[" * 5000 + "]" * 5000]
)
def test_the_rate_in_a_file_of_keys(tmp_path: Path, rate: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'[[key]]\nname = "a"\nscope = "predict"\nsha256 = "{"0" * 64}"\nrate = {rate}')
    try:
        [key] = read(file)
    except ValueError as error:
        told = str(error)
    else:
        told = ""
        based = rate[:2] in {"0x", "0o", "0b"}
        assert key.rate == (int(rate, 0) if based else float(rate.replace("_", "")))
    assert not told or told.startswith(str(file))
    assert len(told) < 1000


@pytest.mark.parametrize(
    ("parser", "command", "number"),
    [
        (commands._parser(), "--seed N", 1),
        (commands._parser(), "--hidden N", 4),
        (commands._parser(), "--hidden 3,N", 4),
        (drift._parser(), "folder --version N", 1),
        (drift._parser(), "folder --threshold N", 1),
        (batch(None), "in out --version N", 1),
    ],
)
def test_training_and_batch(
    capsys: Capture, parser: ArgumentParser, command: str, number: int
) -> None:
    def main(arguments: Sequence[str]) -> int:
        print(parser.parse_args(arguments))
        return 0

    prefix, _, _ = command.rpartition("N")
    *words, last = prefix.split(" ")

    def spelt(arguments: Sequence[str]) -> int:
        return main([*words, last + arguments[0]])

    hold(spelt, capsys, "N", number)


@pytest.mark.parametrize(
    "text",
    [
        "0_.5",
        "\u0660.\u0665",
        "0,5",
        "nan",
        "inf",
        "1e999",
        "1e-999",
        "0",
        "1",
        "-.5",
        "9" * 5000,
        "",
    ],
)
def test_a_share_is_between_0_and_1(capsys: Capture, text: str) -> None:
    with pytest.raises(SystemExit):
        commands._parser().parse_args([f"--coverage={text}"])
    assert "expected a share between 0 and 1; got '" in capsys.readouterr().err[-200:]


NUMBERS = [
    name for name, field in Settings.model_fields.items() if field.annotation in {int, float}
]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_setting(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "argv", ["service"])
    taken = 0
    for text in texts(1):
        monkeypatch.setenv(name.upper(), text)
        try:
            value = getattr(Settings(), name)
        except ValidationError:
            assert service.main() == 1
            told = capsys.readouterr().err
            assert told.startswith(f"service: {name.upper()}: ")
            assert len(told) < 500
        else:
            taken += 1
            assert float(value) == float(text)
    assert taken


@pytest.mark.parametrize("name", NUMBERS)
def test_no_setting_is_larger_than_a_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), "9" * 18)
    with pytest.raises(ValidationError):
        Settings()
