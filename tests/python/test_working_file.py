"""The working file is written anew: what was deleted leaves no bytes, the rest stays as it was."""

import duckdb
import pytest

from customer_segmentation import working_file
from customer_segmentation.output.publication import PublicationError, flush
from customer_segmentation.working_file import rewrite

# Compression would hide text from a search for its bytes.
OPTIONS = {"force_compression": "uncompressed"}
GONE, STAYS = b"gone.person@example.org", b"live.person@example.org"


@pytest.fixture
def file(tmp_path):
    """A working file from which a person was deleted, with another one who stays."""
    path = tmp_path / "demo.duckdb"
    with duckdb.connect(str(path), config=OPTIONS) as connection:
        connection.execute(
            f"create schema restricted; create schema input; "
            f"create table restricted.people (id integer not null, email varchar); "
            f"insert into restricted.people select i, case when i < 5000 then 'none'"
            f"when i = 5000 then '{GONE.decode()}' else '{STAYS.decode()}' end "
            f"from range(5002) t(i); "
            f"create view input.people as select * from demo.restricted.people; checkpoint"
        )
        connection.execute("delete from restricted.people where id = 5000; checkpoint")
    return path


def ask_for_rewrite(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table input.rewrite_due as select 1 as due")


def test_a_deleted_person_leaves_no_bytes(file):
    before = file.read_bytes()
    assert GONE in before, "a control: deleting alone leaves them"
    assert STAYS in before
    file.chmod(0o640)
    ask_for_rewrite(file)
    rewrite(file, OPTIONS)
    after = file.read_bytes()
    assert GONE not in after
    assert STAYS in after, "a live control: a person's bytes can be found"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["demo.duckdb"]
    with duckdb.connect(str(file)) as connection:
        assert connection.execute("select count(*), max(id) from input.people").fetchall() == [
            (5001, 5001)
        ]
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into restricted.people values (null, 'x')")
        assert "rewrite_due" not in str(connection.execute("show all tables").fetchall())


def test_a_draft_is_readable_by_its_owner_alone(file, monkeypatch):
    file.chmod(0o600)
    ask_for_rewrite(file)
    modes = set()

    def seen(draft):
        modes.update(path.stat().st_mode & 0o777 for path in draft.parent.iterdir())
        flush(draft)

    monkeypatch.setattr(working_file, "flush", seen)
    rewrite(file, OPTIONS)
    assert modes == {0o600}


def test_a_file_is_left_alone_unless_a_build_asked_for_it(file):
    before = file.stat().st_ino
    rewrite(file, OPTIONS)
    assert file.stat().st_ino == before


def test_a_rewrite_that_fails_leaves_the_file_and_stays_due(file):
    ask_for_rewrite(file)
    (file.parent / ".demo.duckdb.draft").mkdir()
    with pytest.raises((OSError, duckdb.Error, PublicationError)):
        rewrite(file, OPTIONS)
    (file.parent / ".demo.duckdb.draft").rmdir()
    rewrite(file, OPTIONS)
    assert GONE not in file.read_bytes()
