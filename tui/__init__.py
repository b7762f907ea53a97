"""The dashboard in the terminal. It sees a router only through `router`'s feed and views."""
