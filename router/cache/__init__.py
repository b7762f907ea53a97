"""Answers that are kept: keys, two levels of storage, and one call for all who ask the same. `Router` opens it;
interior but for `Router.cache`.
"""
