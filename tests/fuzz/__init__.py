"""Bad input: what no honest client sends, to real servers and to the dialects alone."""
