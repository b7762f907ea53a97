"""Counting what happens, cheaply; figures are made from it by `router.monitor` when somebody looks."""
