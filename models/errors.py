"""What may go wrong with the registry; every text is a full sentence."""


class RegistryError(Exception):
    """What a user of the registry may meet; its text is a full sentence."""


class NotInRegistry(RegistryError):
    """The model, version or label does not exist."""


class BrokenVersion(RegistryError):
    """A file is none, as a link or a pipe, or is too large, or not what the manifest says."""


class Untrusted(RegistryError):
    """A version is not signed by the key that is asked for."""
