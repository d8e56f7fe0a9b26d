"""Changes: what became of the versions and labels that were served, told in the log."""

import logging

from service.logs import catalogue
from service.serving.loaded import Model

log = logging.getLogger("service.host")


def tell(name: str, before: Model, now: Model) -> None:
    """Log what is different of a model; the labels that were there from the start are none."""
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
