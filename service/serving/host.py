"""The host: the versions in memory. It follows the registry and swaps without a gap.

What is served of the models is never changed, only replaced: a request takes it once
and computes on what it found there, while the next version is loaded beside it.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import NamedTuple
from weakref import WeakValueDictionary

from models.labels import STABLE, Place
from models.registry import Registry, RegistryError, Stamp
from service.errors import NotFound, NotLoaded
from service.logs import catalogue
from service.logs.survivor import Survivor
from service.serving.engines import Choice
from service.serving.loaded import Loaded, Model, Models, Share
from service.serving.memory import trim_heap
from service.serving.version_policy import Policy

log = logging.getLogger("service.host")

LONGEST = 1000  # characters of a reason
REGISTRY = "The registry"  # in a place with the models' names, which have no capitals


class Load(NamedTuple):
    """A version that was loaded, or failed to be, and how long that took."""

    model: str
    good: bool
    seconds: float


class Host:
    """Holds each model's labelled versions and those that the policy wants."""

    def __init__(self, registry: Registry, engine: Choice, policy: Policy) -> None:
        self.registry = registry
        self.models: Models = {}
        # Whether the service was told to stop (the server knows): it answers, and is not ready.
        self.leaving: Callable[[], bool] = lambda: False
        self.loads: deque[Load] = deque(maxlen=1000)  # for whoever counts them
        self._engine = engine
        self._policy = policy
        self._stamps: dict[str, Stamp] = {}  # of each model as it was last looked into
        self._tried: dict[str, dict[int, Stamp]] = {}  # of each version as it loaded or failed
        self._trouble: dict[str, str] = {}
        self._survivor = Survivor("follow-registry")
        self._looks: SimpleQueue[bool] = SimpleQueue()  # unlike an Event, safe in a signal handler

    def find(
        self, model: str, version: int | None = None, label: str | None = None, key: str = ""
    ) -> Loaded:
        """The version to answer with: the given one, the labelled one, or `stable`.

        Of the requests that ask for neither, a label with a share takes its percent: equal
        keys are answered by the same version, an empty key by chance.

        Raises NotFound with what there is, and NotLoaded with the reason.
        """
        served = self.model(model)
        if version is None:
            if served.shares and label is None:
                drawn = served.draw(key and f"{model} {key}")
                if drawn:
                    return drawn
            version = served.labels.get(label or STABLE)
        if version is None and served.failures:
            raise NotLoaded(" ".join(served.failures.values()))
        if version is None:
            known = ", ".join(sorted(served.labels)) or "none"
            raise NotFound(f"Model '{model}' has no label '{label or STABLE}'; it has: {known}.")
        found = served.loaded.get(version)
        if found is None and version in served.failures:
            raise NotLoaded(f"{model} version {version} is not served: {served.failures[version]}")
        if found is None:
            known = ", ".join(map(str, sorted(served.loaded))) or "none"
            raise NotFound(f"Model '{model}' version {version} is not loaded; loaded are: {known}.")
        return found

    def model(self, name: str) -> Model:
        """What is served of one model.

        Raises NotFound with what there is, and NotLoaded when the registry could not be read.
        """
        served = self.models.get(name)
        if served is None and (name in self._trouble or self._has_read_nothing()):
            raise NotLoaded(
                f"Model '{name}' cannot be read from the registry now; the service's log says "
                "why, and it looks again."
            )
        if served is None:
            known = ", ".join(self.models) or "none yet"
            raise NotFound(f"There is no model '{name}'; served are: {known}.")
        return served

    def refresh(self) -> None:
        """Look at the registry and load what is new; whatever fails, what was served goes on.

        Only stamps are read until one differs. Called by one thread at a time.
        """
        try:
            stamps = self._stamped()
        except (RegistryError, OSError) as error:
            self._tell(REGISTRY, error)
            return
        self._trouble.pop(REGISTRY, None)
        if not self.models.keys() <= stamps.keys():
            self.models = {name: it for name, it in self.models.items() if name in stamps}
        for model, stamp in stamps.items():
            self._survivor.run(self._refresh, model, stamp)
        self._stamps = {model: self._stamps.get(model, ()) for model in stamps}
        self._tried = {model: self._tried.get(model, {}) for model in stamps}

    def _refresh(self, model: str, stamp: Stamp) -> None:
        if stamp != self._stamps.get(model) or self._repaired(model):
            self._renew(model, stamp)
        else:
            self._trouble.pop(model, None)

    def _has_read_nothing(self) -> bool:
        return not self.models and REGISTRY in self._trouble

    def _stamped(self) -> dict[str, Stamp]:
        stamps = self.registry.stamps()
        if self.models and not stamps:  # as a folder is that something was mounted on
            raise RegistryError(f"{self.registry.root} holds no model any more: is it mounted?")
        return stamps

    def follow(self, seconds: float) -> None:
        """Refresh every so many seconds in a thread of its own, until `close`."""

        def look() -> None:
            self.refresh()
            trim_heap()

        self._survivor.follow(look, partial(self._await_look, seconds))

    def look(self) -> None:
        """Let the following thread refresh at once; may be called by a signal handler."""
        self._looks.put(True)

    def close(self) -> None:
        """Stop following."""
        self._looks.put(False)

    def _await_look(self, seconds: float) -> bool:
        """Wait by the monotonic clock, which nobody sets back; False when it is over."""
        try:
            return self._looks.get(timeout=seconds)
        except Empty:
            return True

    def _repaired(self, model: str) -> bool:
        """Whether the files of a version that failed are other files now."""
        tried = self._tried[model]
        return any(
            self.registry.version_stamp(model, version) != tried.get(version)
            for version in self.models[model].failures
        )

    def _renew(self, model: str, stamp: Stamp) -> None:
        """Load what is new of one model, then replace what is served of it at once."""
        try:
            places = self.registry.placed(model)
            versions = self.registry.versions(model)
        except (RegistryError, OSError) as error:
            self._tell(model, error)
            return
        self._trouble.pop(model, None)
        labelled = {at.version for at in places.values()}
        wanted = sorted(labelled.union(self._policy.wanted(model, versions)))
        tried = {version: self.registry.version_stamp(model, version) for version in wanted}
        seen = self._tried.get(model, {})
        before = self.models.get(model, Model())
        new = [version for version in wanted if tried[version] != seen.get(version)]
        self._serve(model, replace(before, loading=frozenset(new)))
        loaded = {version: it for version, it in before.loaded.items() if version in wanted}
        failures = {v: why for v, why in before.failures.items() if v in wanted and v not in new}
        seconds = {}
        for version in new:
            began = perf_counter()
            try:
                loaded[version] = Loaded.verified(self.registry, model, version, self._engine)
            except Exception as error:  # noqa: BLE001  whatever a model does, the others are served
                failures[version] = _why(error)
                if isinstance(error, OSError) or isinstance(error.__cause__, OSError):
                    del tried[version]  # the disk's trouble and not the version's: try again
            seconds[version] = perf_counter() - began
            self.loads.append(Load(model, version not in failures, seconds[version]))
        now = _settled(before, places, loaded, failures)
        self._serve(model, now)
        self._tried[model] = tried
        self._stamps[model] = stamp
        tell_changes(model, before, now, seconds)

    def _serve(self, model: str, served: Model) -> None:
        self.models = dict(sorted({**self.models, model: served}.items()))

    def _tell(self, what: str, error: Exception) -> None:
        """Log trouble with the registry once, not at every look."""
        if self._trouble.get(what) != str(error):
            log.error("%s cannot be read, what is loaded goes on: %s", what, _why(error))
        self._trouble[what] = str(error)


def _why(error: Exception) -> str:
    """A sentence in a line of moderate length, for logs, labels and answers.

    What the disk refuses has none of its own; what a library says may have any length and form.
    """
    said = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename:
        said = f"{error.filename} cannot be read: {error.strerror}."
    line = " ".join(said.split())
    if not line.isprintable():  # as of a file whose name is no text
        line = line.encode("ascii", "backslashreplace").decode()
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 2]} …"


def tell_changes(name: str, before: Model, now: Model, seconds: Mapping[int, float] = {}) -> None:
    """Log what is different of a model, when it is; the labels of the start are no difference.

    `seconds` are those that each version took which was loaded now, or failed to be.
    """
    for version, lasted in seconds.items():
        about: dict[str, object] = {"model": name, "version": version}
        why = now.failures.get(version)
        if why is None:
            about |= {"engine": now.loaded[version].engine.name, "seconds": round(lasted, 3)}
            catalogue.tell(log, catalogue.VERSION_LOADED, **about)
        elif why != before.failures.get(version):
            catalogue.tell(log, catalogue.VERSION_REFUSED, **about, reason=why)
    for version in sorted(before.loaded.keys() - now.loaded.keys()):
        catalogue.tell(log, catalogue.VERSION_DROPPED, model=name, version=version)
    if not before.labels:
        return
    for label in sorted(before.labels.keys() | now.labels.keys()):
        old, new = before.labels.get(label), now.labels.get(label)
        about = {"model": name, "label": label, "before": old}
        if new is None:
            catalogue.tell(log, catalogue.LABEL_REMOVED, **about)
        elif new != old:
            catalogue.tell(log, catalogue.LABEL_MOVED, **about, version=new)


def _settled(
    before: Model,
    places: Mapping[str, Place],
    loaded: dict[int, Loaded],
    failures: Mapping[int, str],
) -> Model:
    """What is served next; a label whose new version failed stays where it was."""
    settled: dict[str, Place] = {}
    for label, at in places.items():
        if at.version in loaded:
            settled[label] = at
        elif (old := before.labels.get(label)) is not None and old in before.loaded:
            share = before.shares.get(label)
            settled[label] = Place(old, share and share.percent)
            loaded[old] = before.loaded[old]
    shares = {
        label: Share(percent, loaded[version].for_label(label))
        for label, (version, percent) in settled.items()
        if percent is not None
    }
    unloading = WeakValueDictionary(before.unloading)
    for version, it in before.loaded.items():
        if loaded.get(version) is not it:
            unloading[version] = it.engine
    labels = {label: at.version for label, at in settled.items()}
    return Model(labels, shares, loaded, failures, unloading=unloading)
