"""The page, the document's viewer and their files, which ask over HTTP as any client does."""
