"""Completion in bash, which breaks words at `:` and `=`: click's own script can't complete `ollama/qwen3:4b` there."""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

_SCRIPT = """\
%(complete_func)s() {
    local IFS=$'\\n' type value answer
    COMPREPLY=()
    while IFS=',' read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                [[ $value == */ ]] && compopt -o nospace
                printf -v answer %%q "$value"
                COMPREPLY+=("$answer") ;;
        esac
    done < <(SB_LINE="${COMP_LINE:0:COMP_POINT}" SB_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Reads the line as it is written, and answers what bash puts behind its last break."""

    source_template = _SCRIPT
    _head = ""  # what bash has already, of the word that is completed

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("SB_LINE", "")
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        breaks = [incomplete.rfind(sign) for sign in ":=" if sign in os.environ.get("SB_BREAKS", "")]
        self._head = incomplete[: max(breaks, default=-1) + 1]
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{str(item.value).removeprefix(self._head)}"


def register() -> None:
    """Have click use it."""
    add_completion_class(Bash)
