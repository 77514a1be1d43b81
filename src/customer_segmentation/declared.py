"""Reads a YAML file of named entries, such as destinations.yml and readers.yml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from customer_segmentation.plain_yaml import YamlTextError, read_yaml


def declared(path: Path, kind: str, form: str, page: str, error: type[Exception]) -> dict[str, Any]:
    """The entries by name, in the order of the file.

    Args:
        path: The file. Its only key is ``kind`` with an s.
        kind: What an entry is, such as destination.
        form: What an entry looks like, for the message where there is none.
        page: The page that explains the file.
        error: Raised where the file is missing or is something else.
    """
    if not path.exists():
        raise error(f"There is no {path}. Expected the {kind}s, as in {page}.")
    try:
        found = read_yaml(path.read_text(encoding="utf-8"))
    except YamlTextError as wrong:
        raise error(f"{path} can't be read: {wrong}") from None
    except UnicodeDecodeError:
        raise error(f"{path} can't be read: it is not in UTF-8.") from None
    except OSError as wrong:
        raise error(f"{path} can't be read: {wrong.strerror}.") from None
    if not isinstance(found, dict) or list(found) != [f"{kind}s"]:
        raise error(f"{path} has to begin with `{kind}s:` and hold nothing else.")
    named = found[f"{kind}s"]
    if not isinstance(named, dict) or not named:
        raise error(f"{path} declares no {kind}. Expected name: {form}.")
    return {str(name): entry for name, entry in named.items()}


def secret_of(
    kind: str,
    name: str,
    what: str,
    variable: Any,
    environment: Mapping[str, str],
    error: type[Exception],
) -> str:
    """The secret in the environment variable that an entry names.

    Args:
        kind: What the entry is, such as destination.
        name: Its name.
        what: What the secret is to the entry, such as key.
        variable: The name of the environment variable, as declared.
        environment: Where it is.
        error: Raised where there is none.
    """
    if not isinstance(variable, str) or not variable:
        raise error(
            f"{kind.capitalize()} '{name}' names no {what}. Expected the name of an environment "
            f"variable."
        )
    # Files of secrets often end in a line break.
    secret = environment.get(variable, "").strip()
    if not secret:
        # The name is not repeated: by mistake it may be the secret itself.
        raise error(
            f"The environment variable that {kind} '{name}' names as its {what} is not set."
        )
    return secret
