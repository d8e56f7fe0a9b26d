"""Keys: how they are written, read, followed and made."""

import logging
import os
import re
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import requests

from service.keys import follow
from service.keys.__main__ import main
from service.keys.follow import Keys
from service.keys.parse import Key, parse, read
from tests.servers import PATIENCE, ROOT, Server, await_, running

SECRET = "calories_" + "s" * 43
DIGEST = sha256(SECRET.encode()).hexdigest()
OTHER = sha256(b"another").hexdigest()


def written(
    name: str = "shop", scope: str = "predict", digest: str = DIGEST, more: str = ""
) -> str:
    return f'[[key]]\nname = "{name}"\nscope = "{scope}"\nsha256 = "{digest}"\n{more}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(written())
    return path


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at by every request, and not once a second."""
    monkeypatch.setattr(follow, "SECONDS", -1.0)


def test_several_named_keys_are_read_from_a_setting() -> None:
    found = parse(f"shop:{DIGEST}, till-2:{OTHER.upper()},", "predict")
    assert found == (
        Key("shop", "predict", bytes.fromhex(DIGEST)),
        Key("till-2", "predict", bytes.fromhex(OTHER)),
    )


@pytest.mark.parametrize(
    "text", [f"shop:{SECRET}", SECRET, DIGEST, f"a b:{DIGEST}", f"shop:{DIGEST}0", "shop:"]
)
def test_a_wrong_entry_is_told_by_its_number_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"entry 2 is not that") as refused:
        parse(f"till:{OTHER},{text}", "predict")
    assert text not in str(refused.value)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two keys for predict are named 'shop'"):
        parse(f"shop:{DIGEST},shop:{OTHER}", "predict")


def test_a_file_holds_both_scopes_and_a_rate(file: Path) -> None:
    file.write_text(written(more="rate = 5") + written("ops", "admin", OTHER))
    assert [(it.name, it.scope, it.rate) for it in read(file)] == [
        ("shop", "predict", 5.0),
        ("ops", "admin", None),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (written(digest=SECRET), "key.0.sha256: String should match pattern"),
        (written(name="shop\\n"), "key.0.name: String should match pattern"),
        (written(scope="root"), "key.0.scope: Input should be 'predict' or 'admin'"),
        (written(more="rate = nan"), "key.0.rate: Input should be"),
        (written(more=f'{SECRET} = "x"'), "key.0: Extra inputs are not permitted"),
        (written() * 2, "two keys for predict are named 'shop'"),
        (f'[[key]]\nname = "{SECRET}', r"is no TOML \(at "),
    ],
)
def test_a_wrong_file_is_told_without_repeating_it(file: Path, content: str, sentence: str) -> None:
    file.write_text(content)
    with pytest.raises(ValueError, match=sentence) as refused:
        read(file)
    assert SECRET not in str(refused.value)
    assert DIGEST not in str(refused.value)


def test_the_file_in_the_docs_is_one_that_is_read(file: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/security.md").read_text(), re.DOTALL)
    file.write_text(example)
    [key] = read(file)
    assert (key.name, key.scope, key.rate) == ("shop", "predict", 50)


def test_a_key_is_found_by_its_secret_among_others() -> None:
    held = Keys([*parse(f"a:{OTHER},shop:{DIGEST}", "predict"), *parse(f"b:{OTHER}", "admin")])
    found = held.find(SECRET)
    assert found is not None
    assert found.name == "shop"


@pytest.mark.parametrize("secret", ["", "x", DIGEST, SECRET + " ", "é\ud800"])
def test_nothing_but_the_secret_is_let_in(secret: str) -> None:
    assert Keys(parse(f"shop:{DIGEST}", "predict")).find(secret) is None


@pytest.mark.parametrize("place", range(3))
def test_every_key_is_compared_wherever_the_right_one_is(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(follow, "compare_digest", compare)
    held = [Key(str(number), "predict", bytes(32)) for number in range(3)]
    held[place] = held[place]._replace(digest=bytes.fromhex(DIGEST))
    assert Keys(held).find(SECRET)
    assert len(compared) == 3


def test_a_changed_file_is_read_again(file: Path, following: None) -> None:
    held = Keys((), file)
    assert held.find(SECRET)
    file.write_text(written(digest=OTHER))
    assert held.find(SECRET) is None
    assert held.find("another")


def test_keys_that_were_given_stay_beside_those_of_the_file(file: Path) -> None:
    held = Keys(parse(f"till:{OTHER}", "predict"), file)
    assert held.find("another")
    assert held.find(SECRET)


def test_the_first_key_of_a_scope_is_seen(file: Path, following: None) -> None:
    held = Keys((), file)
    assert not held.holds("admin")
    file.write_text(written("ops", "admin"))
    assert held.holds("admin")


@pytest.mark.parametrize("spoil", [lambda file: file.write_text("[[key]"), Path.unlink])
def test_a_bad_new_file_keeps_the_keys_with_one_log_line(
    file: Path,
    following: None,
    spoil: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = Keys((), file)
    spoil(file)
    with caplog.at_level(logging.ERROR):
        assert all(held.find(SECRET) for _ in range(3))
    [line] = caplog.messages
    assert str(file) in line
    assert "the keys stay" in line


def test_a_repaired_file_is_read(file: Path, following: None) -> None:
    held = Keys((), file)
    file.write_text("[[key]")
    assert held.find(SECRET)
    file.write_text(written(digest=OTHER))
    assert held.find(SECRET) is None


def test_trouble_that_comes_again_is_told_again(
    file: Path, following: None, caplog: pytest.LogCaptureFixture
) -> None:
    held = Keys((), file)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            file.rename(file.with_name("away"))
            assert held.find(SECRET)
            file.with_name("away").rename(file)
            assert held.find(SECRET)
    told = ["cannot be read" in line for line in caplog.messages]
    assert told == [True, False] * 2, "and each time that it can be read again"


def opened() -> int:
    """How many files this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.parametrize(
    "spoil",
    [
        os.mkfifo,
        Path.mkdir,
        lambda file: file.symlink_to("/dev/zero"),
        lambda file: file.write_bytes(b"#" * (1 << 20) + b"\n"),
        lambda file: file.write_text("a=" + "[" * 10_000),
        lambda file: file.write_text("a=" + "9" * 5_000),
    ],
    ids=["pipe", "folder", "device", "large", "deep", "long"],
)
def test_a_file_that_is_none_keeps_the_keys_without_being_waited_for(
    file: Path, following: None, spoil: Callable[[Path], object]
) -> None:
    held = Keys((), file)
    before = opened()
    file.unlink()
    spoil(file)
    assert all(held.find(SECRET) for _ in range(3))
    assert opened() == before


@pytest.fixture
def service(file: Path, tmp_path: Path, shipped_root: Path) -> Iterator[Server]:
    with running(tmp_path, registry=shipped_root, keys_file=file, workers=1) as server:
        yield server


@contextmanager
def no_file_can_be_opened(pid: int) -> Iterator[None]:
    """A process may have its standard streams open and no more; what is open stays so."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_a_key_that_is_taken_away_while_no_file_can_be_read_is_refused_when_one_can(
    service: Server, file: Path
) -> None:
    trouble = "cannot be read, the keys stay: Too many open files"
    with requests.Session() as kept:

        def status(secret: str) -> int:
            headers = {"X-API-Key": secret}
            return kept.get(f"{service.url}/models", headers=headers, timeout=PATIENCE).status_code

        assert status(SECRET) == 200
        with no_file_can_be_opened(service.workers()[0]):
            file.write_text(written(digest=OTHER))
            await_(
                lambda: status(SECRET) == 200 and trouble in service.output(),
                "the log says that the file cannot be read",
            )
        await_(lambda: status(SECRET) == 401, "the key is refused")
        assert status("another") == 200
    assert service.output().count(trouble) == 1


def test_a_made_key_is_printed_once_and_let_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shop"]) == 0
    out, err = capsys.readouterr()
    secret = out.strip()
    assert re.fullmatch(r"calories_[A-Za-z0-9_-]{43}", secret)
    assert secret not in err
    [line] = re.findall(r"PREDICT_KEYS=(\S+)", err)
    assert Keys(parse(line, "predict")).find(secret)


def test_made_keys_are_appended_to_a_file_for_its_owner_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.toml"
    main(["shop", "--append", str(path)])
    main(["ops", "--scope", "admin", "--rate", "2", "--append", str(path)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = [Keys((), path).find(secret) for secret in capsys.readouterr().out.split()]
    assert [(it.name, it.scope, it.rate) for it in found if it] == [
        ("shop", "predict", None),
        ("ops", "admin", 2.0),
    ]


def test_a_name_that_is_taken_is_not_appended(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_text()
    assert main(["shop", "--append", str(file)]) == 1
    out, err = capsys.readouterr()
    assert (out, file.read_text()) == ("", before)
    assert "two keys for predict are named 'shop'" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (['a"\nb'], "expected a name of letters"),
        (["till", "--rate", "nan"], "expected a number; got 'nan'"),
        (["till", "--rate", "0"], "expected a --rate above 0"),
    ],
)
def test_what_would_spoil_the_file_is_not_appended(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit):
        main([*arguments, "--append", str(file)])
    assert sentence in capsys.readouterr().err
    assert file.read_text() == written()


def test_a_rate_without_a_file_to_keep_it_in_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["shop", "--rate", "2"])
    assert "give --append FILE" in capsys.readouterr().err
