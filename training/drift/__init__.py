"""Drift: how far what a version is asked is from what it was trained on.

log        what was asked, from the prediction log
reference  what it was trained on, from the version's own folder
measure    how far the one is from the other
page       the same as pictures
command    python -m training drift FOLDER
"""
