"""A log of requests on disk: one line of JSON for each, in a folder of files that are an hour's each."""
