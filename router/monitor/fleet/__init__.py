"""All processes of an app, on any machine, as one router: what each tells of itself over a Redis, and who adds it up
(docs/shared.md).
"""
