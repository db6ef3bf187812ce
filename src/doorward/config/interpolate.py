"""`${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` in texts; `$${` stands for a literal `${`.

What is interpolated stays text, whatever it looks like. As in a shell, `:-` also stands in for an empty
variable. Faults name the variable or the file, never what it holds.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from doorward.config import document
from doorward.config.document import Fault, Node, Scalar, Sequence, Span
from doorward.config.errors import did_you_mean

ReadFile = Callable[[str], str]
"""Text of a file named in the document. Raises OSError, or ValueError with a reason."""

_OPEN: Final = re.compile(r"\$?\$\{")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORBIDDEN: Final = re.compile("[\x00\ud800-\udfff]")


class Interpolation:
    """Turns a tree into plain values, once."""

    def __init__(self, lines: tuple[str, ...], environ: Mapping[str, str], read: ReadFile) -> None:
        self.faults: list[Fault] = []
        self.files: list[str] = []
        """Files that were named, as written, in order: a reload watches them too."""
        self.failed: set[tuple[int, int]] = set()
        """Line and column of each text that has a fault."""
        self._lines = lines
        self._environ = environ
        self._read = read

    def data(self, node: Node) -> Any:
        """Dictionaries, lists and scalars; a text that could not be interpolated is None and has a fault."""
        if isinstance(node, document.Mapping):
            return {key.text: self.data(value) for key, value in node.entries}
        if isinstance(node, Sequence):
            return [self.data(item) for item in node.items]
        if isinstance(node.value, str) and "${" in node.value:
            return self._text(node)
        return node.value

    def _text(self, scalar: Scalar) -> str | None:
        text, done, at, failed = scalar.text, [], 0, False
        for number, opening in enumerate(_OPEN.finditer(text)):
            if opening.start() < at:
                continue  # inside a reference, where it was taken as part of the name
            done.append(text[at : opening.start()])
            if opening.group() == "$${":
                done.append("${")
                at = opening.end()
                continue
            closing = text.find("}", opening.end())
            try:
                if closing < 0:
                    raise _Bad("this reference has no closing brace", "write $${ for a literal ${")
                done.append(self._resolve(text[opening.end() : closing]))
            except _Bad as bad:
                line, column = self._place(scalar.span, number)
                self.faults.append(Fault(line, column, str(bad), bad.hint))
                self.failed.add((scalar.span.line, scalar.span.column))
                failed = True
            at = closing + 1 if closing >= 0 else len(text)
        return None if failed else "".join([*done, text[at:]])

    def _resolve(self, reference: str) -> str:
        if "${" in reference:
            raise _Bad("references do not nest")
        source, colon, rest = reference.partition(":")
        if source == "env" and colon:
            return self._variable(rest)
        if source == "file" and colon:
            return self._file(rest)
        hint = did_you_mean(source, ("env", "file")) if source else None
        raise _Bad(
            f'"${{{reference}}}" is no reference',
            hint or "${env:NAME}, ${env:NAME:-default} and ${file:PATH} are; write $${ for a literal ${",
        )

    def _variable(self, rest: str) -> str:
        name, has_default, default = rest.partition(":-")
        if not _NAME.fullmatch(name):
            raise _Bad(f'"{name}" cannot be the name of an environment variable')
        value = self._environ.get(name)
        if has_default:
            return value or default
        if value is None:
            hint = f"set it, or give a default: ${{env:{name}:-default}}"
            raise _Bad(f"environment variable {name} is not set", hint)
        return _usable(value, f"environment variable {name}")

    def _file(self, path: str) -> str:
        if not path:
            raise _Bad("this reference names no file")
        self.files.append(path)
        try:
            text = self._read(path)
        except OSError as error:
            raise _Bad(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
        except ValueError as error:
            raise _Bad(f"cannot use {path}: {error}") from None
        # Editors and `echo` end a file with a newline that no secret has.
        return _usable(text.removesuffix("\n").removesuffix("\r"), path)

    def _place(self, span: Span, number: int) -> tuple[int, int]:
        """Line and column of the scalar's reference `number`; the scalar's own where escapes hide it."""
        seen = 0
        for line in range(span.line, min(span.end_line, len(self._lines)) + 1):
            text = self._lines[line - 1]
            first = span.column - 1 if line == span.line else 0
            for opening in _OPEN.finditer(text, first):
                if seen == number:
                    return line, opening.start() + 1
                seen += 1
        return span.line, span.column


class _Bad(Exception):
    """One reference that cannot be resolved."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def _usable(value: str, source: str) -> str:
    if _FORBIDDEN.search(value):
        raise _Bad(f"{source} holds bytes that are no text")
    return value
