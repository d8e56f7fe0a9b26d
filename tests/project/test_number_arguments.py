"""Numbers on command lines and in settings: refused with a sentence, or what they say."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from models import __main__ as models
from models.numbers import decimal_argument, whole_argument
from models.registry import Registry
from service import __main__ as service
from service import client
from service.batch.options import parser as batch
from service.keys.__main__ import main as make_key
from service.keys.parse import read
from service.settings import Settings
from tests.codecs.test_numbers import plainly, said, spellings
from tests.conftest import Publish
from tests.project.conftest import Scripted
from training import commands
from training.drift import command as drift

Main = Callable[[Sequence[str]], int]
Capture = pytest.CaptureFixture[str]

# One of each kind of wrong spelling; all of them are for the readers that the commands share.
FEW = ("01", " 1", "1_0", "\u0661", "+1", "-1", "0x1", "1.0", "1e0", "1e999", "NaN", "9" * 5000)


def texts(number: int) -> list[str]:
    return [*(text for text in spellings(number) if "\0" not in text), "", "0", "-0", "0.0"]


def parsing(parser: ArgumentParser) -> Main:
    """A command that tells how it was understood."""

    def main(arguments: Sequence[str]) -> int:
        print(parser.parse_args(arguments))
        return 0

    return main


def readers() -> ArgumentParser:
    """The two readers of numbers that every command has."""
    parser = ArgumentParser()
    parser.add_argument("--whole", type=whole_argument(1, 1000))
    parser.add_argument("--decimal", type=decimal_argument(-1000, 1000))
    return parser


def rate(arguments: Sequence[str]) -> int:
    """Make a key, and tell its rate."""
    file = Path(arguments[2])
    file.unlink(missing_ok=True)
    code = make_key(arguments)
    print("rates", [key.rate for key in read(file)] if file.exists() else "")
    return code


@pytest.fixture
def shelf(registry: Registry, publish_text: Publish) -> Registry:
    """`half` with three versions, the first stable."""
    for promote in (True, False, False):
        publish_text(promote=promote)
    return registry


SHELF = "--registry {shelf} "
EVERY = texts(2)
COMMANDS: list[tuple[Main, str, int, Sequence[str]]] = [
    (parsing(readers()), "--whole N", 2, EVERY),
    (parsing(readers()), "--decimal N", 2, EVERY),
    (models.main, SHELF + "show half N", 2, FEW),
    (models.main, SHELF + "verify half N", 2, FEW),
    (models.main, SHELF + "label half canary N", 2, FEW),
    (models.main, SHELF + "label half canary 2 --percent N", 5, FEW),
    (models.main, SHELF + "prune half --keep N", 1, FEW),
    (client.main, "--url {url} N 1 2", 5, FEW),
    (client.main, "--url {url} 5 1 2 --version N", 1, FEW),
    (client.main, "--url {url} 5 1 2 --timeout N", 10, FEW),
    (rate, "shop --append {file} --rate N", 50, FEW),
    (parsing(commands._parser()), "--seed N", 1, FEW),
    (parsing(commands._parser()), "--hidden N", 4, FEW),
    (parsing(commands._parser()), "--hidden 3,N", 4, FEW),
    (parsing(drift._parser()), "folder --version N", 1, FEW),
    (parsing(drift._parser()), "folder --threshold N", 1, FEW),
    (parsing(batch(None)), "in out --version N", 1, FEW),
]


@pytest.mark.parametrize(
    ("main", "command", "number", "spelt"), COMMANDS, ids=[command for _, command, *_ in COMMANDS]
)
def test_a_command(
    shelf: Registry,
    scripted: Scripted,
    tmp_path: Path,
    capsys: Capture,
    main: Main,
    command: str,
    number: int,
    spelt: Sequence[str],
) -> None:
    words = command.format(shelf=shelf.root, url=scripted.url, file=tmp_path / "keys.toml").split()

    def ran(text: str) -> tuple[int, str, str]:
        try:
            code = main([f"{word[:-1]}{text}" if word.endswith("N") else word for word in words])
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = capsys.readouterr()
        return code, out.partition("rates")[2] or out, err

    assert ran(str(number))[0] == 0
    for text in spelt:
        code, out, err = ran(text)
        value = said(text)
        if code:
            assert err, f"{text[:40]!r} was refused without a word"
            assert "Traceback" not in err
            assert len(err) < 2000 or text.startswith("-")  # which argparse takes for an option
        else:
            assert value is not None, f"{text[:40]!r} was taken"
            assert (code, out) == ran(plainly(value))[:2]


def test_version_0_is_not_taken_for_none(shelf: Registry, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        models.main(["--registry", str(shelf.root), "show", "half", "0"])
    assert "expected a whole number from 1 to 999999999; got '0'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [
        *FEW,
        "Tue, 24 Nov 2026 00:00:00 +99999999999999999",
        "Tue, 24 Nov 99999 00:00:00 GMT",
        "Tue, 24 Nov 9999 23:59:59 -2359",
        f"Tue, 24 Nov {'9' * 5000} 00:00:00 GMT",
    ],
)
def test_any_retry_after_is_waited_for_or_passed_over(scripted: Scripted, value: str) -> None:
    scripted.script = [(503, {"Retry-After": value.encode("latin-1", "ignore").decode("latin-1")})]
    with suppress(client.Refused):  # it asked for more than is waited
        scripted.client.predict({"sugar": 5})
    assert all(0 <= seconds <= 10 for seconds in scripted.slept)


@pytest.mark.parametrize(
    "rate", [*EVERY, '"50"', "true", "[50]", "1" + "0" * 400, "[" * 5000 + "]" * 5000]
)
def test_the_rate_in_a_file_of_keys(tmp_path: Path, rate: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'[[key]]\nname = "a"\nscope = "predict"\nsha256 = "{"0" * 64}"\nrate = {rate}')
    try:
        [key] = read(file)
    except ValueError as error:
        told = str(error)
    else:
        told = f"{file}"
        based = rate[:2] in {"0x", "0o", "0b"}
        assert key.rate == (int(rate, 0) if based else float(rate.replace("_", "")))
    assert told.startswith(str(file))
    assert len(told) < 1000


@pytest.mark.parametrize("text", ["0_.5", "\u0660.\u0665", "nan", "1e-999", "0", "1", "9" * 5000])
def test_a_share_is_between_0_and_1(capsys: Capture, text: str) -> None:
    with pytest.raises(SystemExit):
        commands._parser().parse_args([f"--coverage={text}"])
    assert "expected a share between 0 and 1; got '" in capsys.readouterr().err[-200:]


NUMBERS = [
    name for name, field in Settings.model_fields.items() if field.annotation in {int, float}
]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_setting(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Every spelling, but of one setting each: pydantic reads all of them."""
    monkeypatch.setattr(sys, "argv", ["service"])
    default = Settings.model_fields[name].default
    monkeypatch.setenv(name.upper(), str(default))
    assert getattr(Settings(), name) == default
    for text in [*texts(1)[NUMBERS.index(name) :: len(NUMBERS)], "9" * 18]:
        monkeypatch.setenv(name.upper(), text)
        try:
            value = getattr(Settings(), name)
        except ValidationError:
            assert service.main() == 1
            told = capsys.readouterr().err
            assert told.startswith(f"service: {name.upper()}: ")
            assert len(told) < 500
        else:
            assert text != "9" * 18, "no setting is larger than a machine"
            assert float(value) == float(text)
