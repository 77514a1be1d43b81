"""docs/activation.md, run as printed, and what the next build makes of the receipts."""

import re
import shlex
import socket

import duckdb
from dbt_process import run_dbt
from printed_examples import block, copy_project, run

PAGE = "docs/activation.md"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_what_a_webhook_got_is_gone_from_the_outbox_of_the_next_build(tmp_path):
    folder = copy_project(tmp_path)
    before, dbt, _ = re.split(
        r"^\.venv/bin/dbt (.*)\n", block(PAGE, "shop", "bash"), flags=re.MULTILINE
    )
    assert run(before, folder).returncode == 0
    build = shlex.split(dbt)
    assert run_dbt(folder, build) == 0, (folder / "output.txt").read_text()
    delivery = block(PAGE, "destinations", "bash") + block(PAGE, "receiver", "bash")
    made = run(delivery.replace("8787", str(free_port())), folder)
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout == block(PAGE, "receiver-output", "text")

    # Only what reads receipts, which is what changes.
    models = ["base_activation_receipts", "stg_activation_receipts", "activation_outbox"]
    assert run_dbt(folder, [*build, "--select", *models]) == 0, (folder / "output.txt").read_text()
    with (
        duckdb.connect(str(folder / "published" / "shop.duckdb"), read_only=True) as published,
        duckdb.connect(str(folder / "warehouse" / "shop.duckdb"), read_only=True) as working,
    ):
        sql = "select change_id, segment_key from activation_outbox"
        (schema,) = working.execute(
            "select table_schema from information_schema.tables "
            "where table_name = 'activation_outbox'"
        ).fetchone()
        was = set(published.execute(sql).fetchall())
        now = set(working.execute(sql.replace("from ", f"from {schema}.")).fetchall())
    assert now < was
    taken = {key for _, key in was - now}
    assert len(was - now) == 3
    assert taken == {"rule:recent_buyers", "lifecycle:active"}
