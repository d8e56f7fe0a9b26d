"""What is particular to cereals is data: no code of models/ and service/ names it."""

import re
from collections import Counter

from tests.servers import ROOT

OF_CEREALS = re.compile(r"calorie|kcal|\bgrams?\b|sugar|fiber|protein|cereal", re.IGNORECASE)
# The service is called so: in the names of its metrics, keys, spans and folders, in its settings'
# examples, and where a protocol asks for its name.
NAME = re.compile(r"calories[_-]|\"calories\.\w+\"")
WRITTEN = {".py", ".js", ".css", ".html"}
ALLOWED = {
    "service/api/openapi/document.py": 1,  # the title
    "service/api/refusals.py": 1,  # the realm
    "service/api/v2/operations.py": 1,  # the server's name
    "service/observe/traces.py": 1,  # the service's name
    "service/serving/version_policy.py": 3,  # examples of VERSIONS
    "service/settings.py": 4,  # DEFAULT_MODEL, and examples
}


def test_no_code_that_serves_names_what_is_of_cereals() -> None:
    found: Counter[str] = Counter()
    for path in (*(ROOT / "models").glob("*.py"), *(ROOT / "service").rglob("*.*")):
        if path.suffix in WRITTEN and "vendor" not in path.parts:
            lines = [NAME.sub("", line) for line in path.read_text().splitlines()]
            found[str(path.relative_to(ROOT))] = sum(map(bool, map(OF_CEREALS.search, lines)))
    assert dict(+found) == ALLOWED
