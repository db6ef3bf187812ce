"""A document, read and judged whole: either settings or every problem at once."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from doorward.config import document
from doorward.config.check import check
from doorward.config.document import Document, Fault
from doorward.config.errors import ConfigError, Problem
from doorward.config.explain import Finding, explain
from doorward.config.interpolate import Interpolation, ReadFile
from doorward.config.masks import mask, mask_unparsed
from doorward.config.places import Path as ValuePath
from doorward.config.places import Places, dotted
from doorward.config.settings import Settings

MAX_SECRET_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """One good document."""

    settings: Settings
    path: Path
    """As the user wrote it: what rules and errors name."""
    base: Path
    """Absolute directory of the file: relative paths in `settings` already start from it."""
    digest: str
    """SHA-256 (hex) over the text and what was interpolated into `agents`: the policy's revision."""
    places: Places
    files: tuple[Path, ...]
    """The document itself, then the files it interpolates: a change of any asks for a reload."""
    lines: tuple[str, ...]
    """Of the document, with literal secrets masked."""

    def problem(
        self, at: ValuePath, message: str, hint: str | None = None, *, warning: bool = False
    ) -> Problem:
        """Something wrong with a value that only a look at the machine can tell, such as a file it names."""
        fault = _place(Finding(at, message, hint), self.places)
        found = _problem(fault, str(self.path), self.lines, at)
        return replace(found, severity="warning") if warning else found


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Loaded:
    """The document at `path`; `environ` (default: the process's) serves `${env:...}`. Raises ConfigError."""
    name = Path(path)
    try:
        text = name.read_bytes().decode("utf-8-sig")
    except OSError as error:
        hint = "doorward init writes one" if isinstance(error, FileNotFoundError) else None
        raise ConfigError(
            [Problem(str(path), 0, 0, f"cannot read it: {error.strerror}", None, hint)]
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        raise ConfigError([Problem(str(path), line, column, "this byte is not UTF-8")]) from None
    return parse(text, path=name, environ=os.environ if environ is None else environ)


def parse(
    text: str, *, path: Path = Path("doorward.yaml"), environ: Mapping[str, str], read: ReadFile | None = None
) -> Loaded:
    """The same for a text at hand; `read` replaces the reading of `${file:...}`. Raises ConfigError only."""
    base = path.absolute().parent
    tree = document.compose(text)
    if tree.root is None or not isinstance(tree.root, document.Mapping):
        raise ConfigError(_unusable(tree, str(path)))
    places = Places(tree.root)
    interpolation = Interpolation(tree.lines, environ, read or (lambda name: _read(base / name)))
    data: dict[str, Any] = interpolation.data(tree.root)
    data.setdefault("gateway", {})
    settings, findings = _judge(data, places, base)

    faults = (*tree.faults, *interpolation.faults)
    known = {(fault.line, fault.column) for fault in tree.faults} | interpolation.failed
    masked = mask(tree.lines, places)
    problems = [
        _problem(fault, str(path), masked, places.path_at(fault.line, fault.column)) for fault in faults
    ]
    for finding in findings:
        value = places.at(finding.path).value
        if (value.line, value.column) not in known:
            problems.append(_problem(_place(finding, places), str(path), masked, finding.path))
    if problems or settings is None:
        raise ConfigError(problems)
    files = (path.absolute(), *(base / name for name in interpolation.files))
    return Loaded(settings, path, base, _digest(text, data), places, files, tuple(masked))


def _judge(data: dict[str, Any], places: Places, base: Path) -> tuple[Settings | None, list[Finding]]:
    settings, findings = None, list(check(data, places))
    empty = {finding.path for finding in findings if finding.message.endswith("has no value")}
    try:
        settings = Settings.model_validate(data, context={"base": base})
    except ValidationError as error:
        findings += [found for found in explain(error, data) if found.path not in empty]
    return settings, findings


def _unusable(tree: Document, file: str) -> Iterable[Problem]:
    if tree.faults:
        lines = tuple(mask_unparsed(line) for line in tree.lines)
        return [_problem(fault, file, lines) for fault in tree.faults]
    if tree.root is None:
        return [Problem(file, 0, 0, "the file is empty", None, "doorward init writes a starter")]
    span = tree.root.span
    fault = Fault(span.line, span.column, "expected a mapping with version, servers and agents")
    return [_problem(fault, file, tuple(mask_unparsed(line) for line in tree.lines))]


def _place(finding: Finding, places: Places) -> Fault:
    place = places.at(finding.path)
    span = place.start if finding.at_key else place.value
    return Fault(span.line, span.column, finding.message, finding.hint)


def _problem(fault: Fault, file: str, lines: tuple[str, ...], at: ValuePath = ()) -> Problem:
    shown = lines[fault.line - 1] if 0 < fault.line <= len(lines) else None
    return Problem(file, fault.line, fault.column, fault.message, shown, fault.hint, dotted(at) or None)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"it is larger than {MAX_SECRET_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def _digest(text: str, data: dict[str, Any]) -> str:
    """Equal texts grant different things when a reference under `agents` or `people` resolves differently."""
    return hashlib.sha256(f"{text}\x00{data.get('agents')!r}{data.get('people', '')!s}".encode()).hexdigest()
