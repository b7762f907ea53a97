"""One request from begin to end: decisions without I/O, and the loop around them. `Router` and the cache run on it;
interior.
"""
