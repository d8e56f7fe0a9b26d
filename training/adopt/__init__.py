"""Adopt: a SavedModel or a .keras file made elsewhere becomes a version.

files       what was brought, in the folder of the version to be
keras_file  a .keras file, looked at before it is loaded
signature   which signature is asked, and what its tensors carry
asking      the SavedModel and its twin, as what can be asked
adopt       all of it in order, and the manifest
command     python -m training adopt PATH --model NAME
"""


class NotAdopted(Exception):
    """What was brought cannot be served; its text says why, and what is possible."""
