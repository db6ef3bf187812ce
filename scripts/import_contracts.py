"""Import-linter contracts that say what the architecture's table says, in the table's own words.

The built-in contracts list what is forbidden, and fail for a package that does not exist yet. Here a row
lists what is allowed; an absent package is skipped, and one without a row is an error.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

NOTHING = "nothing"
EVERYTHING = "everything"


class _DirectImports(Contract):
    """A contract over direct imports, reported one offending line at a time.

    Direct is enough: every package has a row, so a chain is as legal as each of its links.
    """

    def find(self, graph: ImportGraph, root: str) -> Iterator[str]:
        raise NotImplementedError

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        problems = sorted(self.find(graph, str(self.session_options["root_packages"][0])))
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in cast("list[str]", check.metadata["problems"]):
            output.print_error(problem, bold=False)
        output.new_line()


class MayImport(_DirectImports):
    """`table`: rows of "package, package: allowed, allowed", with `nothing` and `everything` as words."""

    type_name = "may_import"
    table = fields.ListField(subfield=fields.StringField())

    def find(self, graph: ImportGraph, root: str) -> Iterator[str]:
        table = dict(_rows(cast("list[str]", self.table)))
        for allowed in table.values():
            for name in allowed - table.keys() - {EVERYTHING}:
                yield f"the table allows {name}, which has no row of its own"
        for importer in _modules_of(graph, root):
            package = _package(importer, root)
            if package is not None and package not in table:
                yield f"{importer}: the table has no row for {package}"
                continue
            allowed = table[package] if package else set()
            for imported in graph.find_modules_directly_imported_by(importer):
                other = _package(imported, root) if _inside(imported, root) else None
                if other is None or other == package or other in allowed or EVERYTHING in allowed:
                    continue
                yield f"{_place(graph, importer, imported)}: {package or root} may not import {other}"


class NoIO(_DirectImports):
    """`packages` import no `io_modules` of the standard library and no library outside `third_party`."""

    type_name = "no_io"
    packages = fields.SetField(subfield=fields.StringField())
    io_modules = fields.SetField(subfield=fields.StringField())
    third_party = fields.SetField(subfield=fields.StringField())

    def find(self, graph: ImportGraph, root: str) -> Iterator[str]:
        packages = cast("set[str]", self.packages)
        io_modules = cast("set[str]", self.io_modules)
        third_party = cast("set[str]", self.third_party)
        for importer in _modules_of(graph, root):
            if _package(importer, root) not in packages:
                continue
            for imported in graph.find_modules_directly_imported_by(importer):
                library = imported.partition(".")[0]
                if library == root or library in third_party:
                    continue
                if library in io_modules:
                    yield f"{_place(graph, importer, imported)}: {library} does I/O"
                elif library not in sys.stdlib_module_names:
                    yield f"{_place(graph, importer, imported)}: {library} is not a library known to be pure"


class Strangers(_DirectImports):
    """The modules of `package` do not import each other.

    A module whose name starts with an underscore is a helper of them all. The package's own `__init__` may be
    imported by them only while it imports none of them.
    """

    type_name = "strangers"
    package = fields.StringField()

    def find(self, graph: ImportGraph, root: str) -> Iterator[str]:
        home = f"{root}.{cast('str', self.package)}"
        if home not in graph.modules:
            return
        init_is_neutral = not any(
            _package(imported, home) for imported in _imports_inside(graph, home, home) if imported != home
        )
        for importer in _modules_of(graph, home):
            me = _package(importer, home)
            if me is None:
                continue
            for imported in _imports_inside(graph, importer, home):
                other = _package(imported, home)
                if other == me or (other is None and init_is_neutral) or (other or "").startswith("_"):
                    continue
                yield f"{_place(graph, importer, imported)}: {me} may not know {other or home}"


def _rows(table: Iterable[str]) -> Iterator[tuple[str, set[str]]]:
    for row in table:
        packages, colon, allowed = row.partition(":")
        if not colon:
            raise ValueError(f"a row needs a colon: {row!r}")
        for package in _words(packages):
            yield package, _words(allowed) - {NOTHING}


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _package(module: str, root: str) -> str | None:
    """The name directly below `root` that `module` belongs to; None for `root` itself."""
    return module.removeprefix(root).lstrip(".").partition(".")[0] or None


def _modules_of(graph: ImportGraph, package: str) -> list[str]:
    return sorted(module for module in graph.modules if _inside(module, package))


def _imports_inside(graph: ImportGraph, importer: str, package: str) -> list[str]:
    return sorted(m for m in graph.find_modules_directly_imported_by(importer) if _inside(m, package))


def _place(graph: ImportGraph, importer: str, imported: str) -> str:
    lines = [str(d["line_number"]) for d in graph.get_import_details(importer=importer, imported=imported)]
    return f"{importer}:{','.join(lines)} imports {imported}"
