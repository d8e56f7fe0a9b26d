"""What `python -m training` ends with, beside 0 for done and 1 for refused with a sentence."""

HELD_BACK = 3  # a version was published and did not become stable
DRIFTED = 4  # with `drift --fail`: what is asked is not what the version was trained on
