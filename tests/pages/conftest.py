"""Visits to pages, a service that is open, and one that asks for keys."""

import csv
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from models.manifest import ROWS, TWIN, Manifest
from models.publish import publish, staging
from models.registry import Registry
from tests.browser import Visits
from tests.servers import Server, running

MARKUP = "<img src=x onerror=\"document.title='mine'\"> & 'quotes' </script>"
LONGEST = "quite_the_longest_name_that_a_manifest_may_give_to_any_quantity"
KEY, BUSY, ADMIN = (f"calories_{name}-0123456789" for name in ("page", "busy", "ops"))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visits]:
    visits = Visits(browser)
    yield visits
    visits.close()


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory, any_table: Registry) -> Iterator[Server]:
    """A service of models of any table, one of them with the words of a stranger."""
    shutil.copytree(any_table.root, root := tmp_path_factory.mktemp("others") / "registry")
    registry = Registry(root)
    card = strange(registry.manifest("thirteen", 1))
    with staging(registry, card.model) as draft:
        shutil.copy(registry.folder("thirteen", 1) / TWIN, draft)
        rows = [[MARKUP, *(place + i % 7 for i in range(13)), place] for place in range(9)]
        names = ["name", *card.input_names, card.output.name]
        with (draft / ROWS).open("w", newline="") as file:
            csv.writer(file).writerows([names, *rows])
        publish(registry, draft, card, promote=True)
    settings = {"workers": 1, "registry": root, "default_model": "one"}
    with running(tmp_path_factory.mktemp("log"), **settings) as server:
        yield server


def strange(card: Manifest) -> Manifest:
    """The same model with the names and sentences that one hopes never to see."""
    names = [LONGEST, "__proto__", "constructor", *card.input_names[3:]]
    told = {"description": MARKUP, "unit": MARKUP, "words": {}}
    inputs = tuple(
        each.model_copy(update={**told, "name": name})
        for each, name in zip(card.inputs, names, strict=True)
    )
    output = card.output.model_copy(update=told)
    return card.model_copy(update={"model": "stranger", "inputs": inputs, "output": output})


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    """A service that asks for keys, and gives each 40 requests at once and 2 a second."""
    page, busy, ops = (sha256(key.encode()).hexdigest() for key in (KEY, BUSY, ADMIN))
    with running(
        tmp_path_factory.mktemp("closed"),
        workers=1,
        registry=shipped_root,
        default_model="deep",
        predict_keys=f"page:{page},busy:{busy}",
        admin_keys=f"ops:{ops}",
        rate_limit=2,
        rate_burst_seconds=20,
    ) as server:
        yield server
