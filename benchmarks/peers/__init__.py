"""One script a peer; the versions it is measured with stand in the text file beside it."""
