"""The pages, their templates and files."""
