"""Texts as vectors of a sentence-transformers model in a local folder. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

_LIBRARIES = ("sentence-transformers", "tokenizers", "torch", "transformers")
_TEXTS_AT_A_TIME = 1000
_DIGITS = 6
_COLUMNS = pa.schema(
    {
        "text_key": pa.string(),
        "vector": pa.list_(pa.float32()),
        "is_truncated": pa.bool_(),
        "model_key": pa.string(),
    }
)


class EmbeddingsError(ValueError):
    """There is no model to embed with; the message says what to do."""


def embed_where_new(
    session: duckdb.DuckDBPyConnection,
    texts: duckdb.DuckDBPyRelation,
    *,
    stored: object,
    folder: str,
) -> duckdb.DuckDBPyRelation:
    """A vector for each distinct text: from the stored table, or computed now.

    texts: the columns text_key, which is one for each text, and text.
    stored: name of the table that the last build wrote; it need not exist.
    folder: of a sentence-transformers model; its own configuration says how it pools.

    Returns the columns text_key, vector (of length 1, six decimals), is_truncated (whether the text
    is longer than the model reads) and model_key. Texts that are gone are dropped, vectors of
    another model are computed anew.

    Texts are embedded one at a time in one thread, so that a vector doesn't depend on the texts
    beside it, and fetched a thousand at a time, so that memory is bounded.
    """
    key = model_key(folder)
    wanted = texts.select("text_key, text").distinct()
    made = "vectors_of_this_build"
    session.from_arrow(_COLUMNS.empty_table()).query(
        "nothing", f"create or replace temp table {made} as from nothing"
    )
    try:
        kept = session.table(str(stored)).filter(duckdb.ColumnExpression("model_key") == key)
        kept.select(*_COLUMNS.names).join(wanted.select("text_key"), "text_key").insert_into(made)
    except (duckdb.CatalogException, duckdb.BinderException):
        pass
    model = None
    while True:
        missing = wanted.join(session.table(made), "text_key", how="anti").order("text_key")
        batch = missing.limit(_TEXTS_AT_A_TIME).fetchall()
        if not batch:
            return session.table(made)
        model = model or _loaded(folder)
        vectors, is_truncated = _embedded(model, [text for _, text in batch])
        keys = [text_key for text_key, _ in batch]
        columns = [keys, vectors, is_truncated, [key] * len(batch)]
        session.from_arrow(pa.table(columns, schema=_COLUMNS)).insert_into(made)


def model_key(folder: str) -> str:
    """A hash of all that decides a vector: the model's files, the libraries and this module.

    Raises EmbeddingsError where the libraries or the model are missing.
    """
    if find_spec("sentence_transformers") is None:
        raise EmbeddingsError(
            "Var topics, at method: 'embeddings' needs the Python package sentence-transformers, "
            "which is not installed. Expected the extra embeddings: make install-embeddings, or "
            'pip install "customer-segmentation[embeddings]".'
        )
    if not Path(folder, "modules.json").is_file():
        raise EmbeddingsError(
            f"Var topics, at model: '{folder}' holds no modules.json. Expected the folder of a "
            f"sentence-transformers model on this machine: nothing is downloaded."
        )
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(repr([(name, metadata.version(name)) for name in _LIBRARIES]).encode())
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _loaded(folder: str) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def _embedded(model: Any, texts: Sequence[str]) -> tuple[list[Any], list[bool]]:
    vectors = model.encode(
        list(texts), batch_size=1, normalize_embeddings=True, show_progress_bar=False
    )
    limit = model.max_seq_length or float("inf")
    # A text of n characters has at most n tokens and a handful of markers.
    is_truncated = [
        len(text) + 8 > limit and len(model.tokenizer(text, truncation=False)["input_ids"]) > limit
        for text in texts
    ]
    return list(vectors.round(_DIGITS)), is_truncated
