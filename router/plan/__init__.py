"""The compiled file: immutable, made off to the side, swapped in as one reference. Interior but for what `Router.plan`
shows.
"""
