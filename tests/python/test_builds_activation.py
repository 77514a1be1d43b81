"""docs/activation.md and docs/serving.md, run as printed, and the next build."""

import json
import re
import shlex
import shutil

import duckdb
import pytest
from dbt_process import run_dbt
from other_processes import free_port
from printed_examples import block, copy_project, run

from customer_segmentation.activation.messages import Published

PAGE = "docs/activation.md"
LIVE = "docs/live.md"
SERVING = "docs/serving.md"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The folder of the shop, built, and the words of the build's command."""
    folder = copy_project(tmp_path_factory.mktemp("shop"))
    before, dbt, _ = re.split(
        r"^\.venv/bin/dbt (.*)\n", block(PAGE, "shop", "bash"), flags=re.MULTILINE
    )
    assert run(before, folder).returncode == 0
    build = shlex.split(dbt)
    assert run_dbt(folder, build) == 0, (folder / "output.txt").read_text()
    return folder, build


def test_the_service_answers_as_printed(shop):
    folder, _ = shop
    asking = block(SERVING, "readers", "bash") + block(SERVING, "asking", "bash")
    made = run(asking.replace("8000", str(free_port())), folder)
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout == block(SERVING, "answers", "text")
    log = (folder / "access.log").read_text().splitlines()
    assert [json.loads(line)["status"] for line in log] == [200, 200, 404]


def test_an_order_in_the_stream_is_delivered_as_printed(shop, tmp_path):
    # What is delivered here would be missing from the other tests' outbox.
    folder = tmp_path / "shop"
    shutil.copytree(shop[0], folder, symlinks=True)
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is missing. Install it: apt-get install redis-server")
    commands = "".join(block(LIVE, name, "bash") for name in ("broker", "message", "entry"))
    made = run(commands.replace("6379", str(free_port())), folder)
    assert made.returncode == 0, made.stdout + made.stderr
    printed = block(LIVE, "message-output", "text") + block(LIVE, "entry-output", "text")
    assert made.stdout == printed


def test_what_a_webhook_got_is_gone_from_the_outbox_of_the_next_build(shop):
    folder, build = shop
    delivery = block(PAGE, "destinations", "bash") + block(PAGE, "receiver", "bash")
    made = run(delivery.replace("8787", str(free_port())), folder)
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout == block(PAGE, "receiver-output", "text")

    # Only what reads receipts, which is what changes.
    models = ["base_activation_receipts", "stg_activation_receipts", "activation_outbox"]
    assert run_dbt(folder, [*build, "--select", *models]) == 0, (folder / "output.txt").read_text()
    sql = "select change_id, segment_key from {}activation_outbox"
    with duckdb.connect(str(folder / "published" / "shop.duckdb"), read_only=True) as published:
        was = set(published.execute(sql.format("")).fetchall())
        check_that_members_are_entries(Published(published))
    with duckdb.connect(str(folder / "warehouse" / "shop.duckdb"), read_only=True) as working:
        now = set(working.execute(sql.format("segmentation.")).fetchall())
    assert now < was
    assert len(was - now) == 3
    assert {key for _, key in was - now} == {"rule:recent_buyers", "lifecycle:active"}


def check_that_members_are_entries(published: Published) -> None:
    """What a later destination begins with is what the outbox has before the first delivery."""
    entries = [message for message in published.outbox() if message.message == "entered"]
    assert sorted(published.members(published.segments())) == sorted(entries)
    assert len(entries) > 10
