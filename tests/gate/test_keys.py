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
from tests.gate.conftest import written
from tests.servers import PATIENCE, ROOT, await_, running

SECRET = "calories_" + "s" * 43
DIGEST, OTHER = (sha256(secret.encode()).hexdigest() for secret in (SECRET, "another"))
SHOP, OTHER_SHOP = (written("shop", "predict", secret) for secret in (SECRET, "another"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(SHOP)
    return path


@pytest.fixture
def held(file: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """The keys of the file, which is looked at by every request, and not once a second."""
    monkeypatch.setattr(follow, "SECONDS", -1.0)
    return Keys((), file)


def test_several_named_keys_are_read_from_a_setting() -> None:
    assert parse(f"shop:{DIGEST}, till-2:{OTHER.upper()},", "predict") == (
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


def test_a_file_holds_both_scopes_and_a_rate(file: Path) -> None:
    file.write_text(SHOP.replace('"shop"', '"shop"\nrate = 5') + written("shop", "admin", "x"))
    assert [key[::3] for key in read(file)] == [("shop", 5.0), ("shop", None)]
    assert [key.scope for key in read(file)] == ["predict", "admin"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (SHOP.replace(DIGEST, SECRET), "key.0.sha256: String should match pattern"),
        (SHOP.replace("shop", "shop\\n"), "key.0.name: String should match pattern"),
        (SHOP.replace("predict", "root"), "key.0.scope: Input should be 'predict' or 'admin'"),
        (f"{SHOP}rate = nan", "key.0.rate: Input should be"),
        (f'{SHOP}{SECRET} = "x"', "key.0: Extra inputs are not permitted"),
        (SHOP * 2, "two keys for predict are named 'shop'"),
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


@pytest.mark.parametrize("secret", ["", "x", DIGEST, SECRET + " ", "é\ud800"])
def test_nothing_but_the_secret_is_let_in(held: Keys, secret: str) -> None:
    assert held.find(secret) is None
    assert held.find(SECRET)


def test_every_key_is_compared_wherever_the_right_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(follow, "compare_digest", compare)
    for names in ("shop,a,b", "a,shop,b", "a,b,shop"):
        entries = (f"{name}:{DIGEST if name == 'shop' else OTHER}" for name in names.split(","))
        found = Keys(parse(",".join(entries), "predict")).find(SECRET)
        assert found
        assert found.name == "shop"
    assert len(compared) == 9


def test_a_changed_file_is_read_again_beside_the_keys_that_were_given(
    held: Keys, file: Path
) -> None:
    beside = Keys(parse(f"till:{OTHER}", "predict"), file)
    assert not held.holds("admin")
    assert beside.find(SECRET)
    file.write_text(written("ops", "admin", "x"))
    assert held.holds("admin")
    assert [keys.find(SECRET) for keys in (held, beside)] == [None, None]
    assert [bool(keys.find("another")) for keys in (held, beside)] == [False, True]


def opened() -> int:
    """How many files this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text("[[key]"),
        lambda _: None,
        os.mkfifo,
        Path.mkdir,
        lambda file: file.symlink_to("/dev/zero"),
        lambda file: file.write_bytes(b"#" * (1 << 20) + b"\n"),
        lambda file: file.write_text("a=" + "[" * 10_000),
        lambda file: file.write_text("a=" + "9" * 5_000),
    ],
    ids=["no TOML", "none", "pipe", "folder", "device", "large", "deep", "long"],
)
def test_a_bad_new_file_keeps_the_keys_and_is_told_each_time_that_it_comes(
    held: Keys, file: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object]
) -> None:
    caplog.set_level(logging.INFO)
    before, kept = opened(), file.rename(file.with_name("kept"))
    for _ in range(2):
        spoil(file)
        assert all(held.find(SECRET) for _ in range(3))
        assert opened() == before
        file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
        file.write_text(kept.read_text())
        assert held.find(SECRET)
        file.unlink()
    bad, good, *again = caplog.messages
    assert [bad, good] == again
    assert bad.startswith(f"KEYS_FILE {file} cannot be read, the keys stay: ")
    assert good == f"{file} holds: shop (predict)"


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
    tmp_path: Path, shipped_root: Path, file: Path
) -> None:
    trouble = "cannot be read, the keys stay: Too many open files"
    with (
        running(tmp_path, registry=shipped_root, keys_file=file, workers=1) as server,
        requests.Session() as kept,
    ):

        def status(secret: str) -> int:
            headers = {"X-API-Key": secret}
            return kept.get(f"{server.url}/models", headers=headers, timeout=PATIENCE).status_code

        assert status(SECRET) == 200
        with no_file_can_be_opened(server.workers()[0]):
            file.write_text(OTHER_SHOP)
            await_(
                lambda: status(SECRET) == 200 and trouble in server.output(),
                "the log says that the file cannot be read",
            )
        await_(lambda: status(SECRET) == 401, "the key is refused")
        assert status("another") == 200
        assert server.output().count(trouble) == 1


def test_a_made_key_is_printed_once_and_let_in(capsys: pytest.CaptureFixture[str]) -> None:
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
    path = tmp_path / "made.toml"
    main(["shop", "--append", str(path)])
    main(["ops", "--scope", "admin", "--rate", "2", "--append", str(path)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = [Keys((), path).find(secret) for secret in capsys.readouterr().out.split()]
    assert [(it.name, it.scope, it.rate) for it in found if it] == [
        ("shop", "predict", None),
        ("ops", "admin", 2.0),
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("shop --append FILE", "two keys for predict are named 'shop'"),
        ('a"b --append FILE', "expected a name of letters"),
        ("till --append FILE --rate 0", "expected a --rate above 0"),
        ("till --rate 2", "give --append FILE"),
    ],
)
def test_what_would_spoil_the_file_or_be_lost_is_not_made(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: str, sentence: str
) -> None:
    try:
        code: object = main(arguments.replace("FILE", str(file)).split())
    except SystemExit as ended:
        code = ended.code
    out, err = capsys.readouterr()
    assert code in {1, 2}
    assert (out, file.read_text()) == ("", SHOP)
    assert sentence in err
