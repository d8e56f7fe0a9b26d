"""Which versions of a model are loaded beside the labelled ones.

latest:2                of every model the newest two
all                     of every model every version
calories=1,3;deep=2     these versions, of the other models none
latest:1;calories=1,3   these, of the other models the newest
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LATEST = re.compile(r"latest:([1-9][0-9]{0,8})")
NAMED = re.compile(r"([a-z][a-z0-9_-]{0,62})=([1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*)")


@dataclass(frozen=True)
class Policy:
    """The newest `latest` versions (None: all), but of a model in `named` the ones named."""

    latest: int | None = 0
    named: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def wanted(self, model: str, versions: Sequence[int]) -> tuple[int, ...]:
        """Those of `model` to load; `versions` are the published ones, oldest first."""
        if model in self.named:
            return self.named[model]
        return tuple(versions if self.latest is None else versions[len(versions) - self.latest :])


def parse(text: str) -> Policy:
    """The policy that `text` spells; raises ValueError with the forms there are."""
    general: list[int | None] = []
    named: dict[str, tuple[int, ...]] = {}
    for part in text.replace(" ", "").split(";"):
        if part == "all":
            general.append(None)
        elif found := LATEST.fullmatch(part):
            general.append(int(found[1]))
        elif (found := NAMED.fullmatch(part)) and found[1] not in named:
            named[found[1]] = tuple(map(int, found[2].split(",")))
        else:
            raise ValueError(
                f"'{part}' names no versions: expected 'latest:2', 'all', "
                "'calories=1,3;deep=2' or 'latest:1;calories=1,3'"
            )
    if len(general) > 1:
        raise ValueError("expected one of 'latest:N' and 'all', received both or one twice")
    return Policy(general[0] if general else 0, named)
