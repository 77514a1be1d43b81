"""Hashes of the code that decides a result: modules of this package with all that they import."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent
# What decides the last digits of a fit beside our own code.
_LIBRARIES = ("duckdb", "jenkspy", "numpy", "pandas", "scikit-learn", "scipy", "splink")


@functools.cache
def code_hash(*modules: str) -> str:
    """One hash of modules, the modules of this package they import, and the libraries' versions.

    Source files are read and nothing is imported: the libraries take seconds to load.

    modules: names within this package, such as fits.topics; of a folder its own module alone.
    """
    digest = hashlib.sha256()
    for path in sorted(_with_imports(modules)):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    digest.update(repr([(name, version(name)) for name in _LIBRARIES]).encode())
    return digest.hexdigest()


def modules_of(*folders: str) -> list[str]:
    """Names of all modules in folders of this package, such as fits."""
    return [
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for folder in folders
        for path in sorted((PACKAGE / folder).rglob("*.py"))
    ]


def _with_imports(modules: Iterable[str]) -> set[Path]:
    """The files of modules and of what they import of this package, directly or not."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        for path in _files(waiting.pop()):
            if path not in found and path.is_file():
                found.add(path)
                waiting += _imported(ast.parse(path.read_bytes()))
    return found


def _files(module: str) -> Iterator[Path]:
    """Where a module may be, after the folders above it, which an import runs first."""
    folder = PACKAGE
    for part in module.split("."):
        yield folder / "__init__.py"
        folder /= part
    yield folder.with_suffix(".py")
    yield folder / "__init__.py"


def _imported(tree: ast.AST) -> Iterator[str]:
    """Names within this package that a module imports, modules or what is in them."""
    prefix = f"{PACKAGE.name}."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names.append(str(node.module))
        else:
            continue
        yield from (name.removeprefix(prefix) for name in names if name.startswith(prefix))
