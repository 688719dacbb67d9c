"""The process in which a stranger's chat template runs: no torch, no tokens of ours, bounded time and memory.

Started by `sandbox`, never imported there. It reads JSON lines from its input: first the template, then one
conversation a line; it answers each with `{"text": …}` or `{"error": …}`.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jinja2
import jinja2.exceptions
import jinja2.ext
import jinja2.nodes
import jinja2.utils
from jinja2.sandbox import ImmutableSandboxedEnvironment

MEMORY_BYTES = 512 * 1024 * 1024
SECONDS = 10
MAX_CHARS = 8 * 1024 * 1024
# Templates that ask for today's date would make two encodings of one data set differ.
TODAY = datetime(2024, 7, 26)


class TooLong(Exception):
    """The template writes more than anybody would read."""


class Generation(jinja2.ext.Extension):
    """`{% generation %}` marks what the assistant says; here it only stands where it is."""

    tags = {"generation"}  # noqa: RUF012 (jinja's own way)

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller: Callable[[], str]) -> str:
        return caller()


class Mapping:
    """`dict`, without the type's own attributes."""

    def __call__(self, *args: Any, **named: Any) -> dict[Any, Any]:
        return dict(*args, **named)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class Namespace(jinja2.utils.Namespace):
    """`namespace`, which takes no name that begins with an underscore: those lead out of the sandbox."""

    def __init__(*given: Any, **named: Any) -> None:
        self, *rest = given
        found = dict(*rest, **named)
        for name in found:
            _check_name(name)
        jinja2.utils.Namespace.__init__(self, found)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"no namespace may hold {name[:60]!r}")


def environment() -> ImmutableSandboxedEnvironment:
    """As transformers' own, which `apply_chat_template` uses (transformers 5, chat_template_utils)."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = _tojson
    made.globals["dict"] = Mapping()
    made.globals["namespace"] = Namespace
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = TODAY.strftime
    return made


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: Any = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise(message: Any) -> None:
    raise jinja2.TemplateError(str(message))


def answer(template: jinja2.Template, variables: dict[str, Any]) -> dict[str, str]:
    """One conversation written down, or why not."""
    pieces, length = [], 0
    try:
        for piece in template.generate(**variables):
            length += len(piece)
            if length > MAX_CHARS:
                raise TooLong(f"it writes more than {MAX_CHARS:,} characters")
            pieces.append(piece)
    except MemoryError:
        return {"error": f"it needs more than {MEMORY_BYTES // 1024**2} MiB of memory"}
    except RecursionError:
        return {"error": "it calls itself without end"}
    except Exception as error:  # whatever a stranger's template makes of it
        return {"error": " ".join(str(error).split())[:200] or type(error).__name__}
    return {"text": "".join(pieces)}


def more_time() -> None:
    """The kernel ends the process when the next answer takes longer, even if nobody waits for it any more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + SECONDS + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> int:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    template: jinja2.Template | None = None
    for line in sys.stdin:
        more_time()
        given = json.loads(line)
        try:
            if template is None:
                template = environment().from_string(given["template"])
                found = {"text": ""}
            else:
                found = answer(template, given)
        except (jinja2.TemplateError, MemoryError, RecursionError, SyntaxError, ValueError) as error:
            found = {"error": " ".join(str(error).split())[:200] or type(error).__name__}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
