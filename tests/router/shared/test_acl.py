"""The rights of the docs are those that the script and shared answers use, no more and no fewer."""

from __future__ import annotations

import re
from pathlib import Path

from router.shared.redis import SCRIPT

_OF_THE_CLIENT = {"ping", "hello", "select", "client|setname", "evalsha", "eval"}


def test_the_docs_name_the_commands_of_the_script() -> None:
    page = (Path(__file__).parents[3] / "docs/shared.md").read_text()
    (line,) = re.findall(r"^ACL SETUSER signalbox on .*$", page, re.MULTILINE)
    named = re.findall(r"\+(\S+)", line)
    called = {command.lower() for command in re.findall(r"redis\.p?call\('(\w+)'", SCRIPT)}
    assert len(re.findall(r"redis\.p?call\(", SCRIPT)) == len(re.findall(r"redis\.p?call\('\w+'", SCRIPT))
    for file in ("answers", "answering", "flights"):
        source = (Path(__file__).parents[3] / f"router/shared/{file}.py").read_text()
        called |= {command.lower() for command in re.findall(r'\("([A-Z]{3,})"', source)}
    assert sorted(named) == sorted(called | _OF_THE_CLIENT)
