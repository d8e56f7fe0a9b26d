"""Errors as the Open Inference Protocol has them: {"error": sentence}."""

from service.api.refusals import ErrorSentences

V2 = ErrorSentences("v2")
