"""References that mean no customer or meet none: what a build counts and how it warns."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import duckdb
import pytest
from conftest import Build, Workshop, scenario
from rich.console import Console

from customer_segmentation.audit import check
from customer_segmentation.erasure.person import hashed_id
from customer_segmentation.output.summary import print_summary

# A thousand customers with an order each, 60 orders of a collective account, and guests in words.
ORDERS = [f"{n},c{n},2024-03-05 12:00:00,10.00," for n in range(1_000)]
ORDERS += [f"a{n},ZOE-CANARY,2024-03-0{n % 5 + 1} 12:00:00,10.00," for n in range(60)]
ORDERS += [
    f"g{n},{word},2024-03-05 12:00:00,10.00,"
    for n, word in enumerate(["NULL", "nan", "(Not Set)", r"\N"] * 20)
]

# A sale with its refund under the same id, and a sale that was corrected.
ORDERS += [
    f"{number},c1,2024-03-0{day} 12:00:00,{amount},2024-03-0{day} 23:00:00"
    for number, day, amount in [("v1", 1, 100), ("v1", 3, -30), ("v2", 1, 100), ("v2", 2, 90)]
]
ORDERS += ["v1,c1,2024-03-02 12:00:00,99,2024-03-02 23:00:00"]

# Each withdrawal and request meets a customer, as an e-mail address does in any case, or misses by
# a kind of its own; the last is like none.
KNOWN = ["Zoe-Canary-1", "007-canary", "zoe canary 2", "zoe@canary.example", "elsewhere-canary"]
MISSES = ["zoe-canary-1", "7-canary", "zoecanary2", "ZOE@Canary.example", "elsewhere-canary"]
MISSES += ["ZOECANARY2", "other-canary"]
# The newsletter knows addresses alone, one of a person and one that two people share.
EMAILS = ["Mia,mia@canary.example", "Al,home@canary.example", "Bea,home@canary.example", ",", ","]
CUSTOMERS = [
    f"{system},r{n},{reference},{email}"
    for n, (system, reference, email) in enumerate(
        zip([*["crm"] * 4, "shop"], KNOWN, EMAILS, strict=True)
    )
]
CONSENTS = [f"crm,{reference},segmentation,false,2024-03-01" for reference in [*KNOWN[:2], *MISSES]]
CONSENTS += [f"crm,{reference},segmentation,true,2024-03-01" for reference in [*MISSES, "r1"]]
CONSENTS += [
    f"news,{name}@Canary.example,segmentation,false,2024-03-01" for name in ("mia", "home")
]
REQUESTS = [f"crm,{reference},2024-03-01" for reference in ["r0", *MISSES[:2]]]


def lines(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows, ""])


FILES = {
    "orders.csv": lines("order_id,customer_ref,ordered_at,amount,loaded_at", ORDERS),
    "customers.csv": lines("source_system,record_id,customer_ref,given_name,email", CUSTOMERS),
    "consents.csv": lines("source_system,customer_ref,purpose,granted,recorded_at", CONSENTS),
    "erasure_requests.csv": lines("source_system,customer_ref,requested_at", REQUESTS),
    "events.csv": lines(
        "event_id,source_system,customer_ref,event_type,occurred_at",
        [
            *(f"{n},default,c{n},page_view,2024-03-01" for n in range(20, 60)),
            # What a visitor typed, and an event without a type of a reference that r0 has.
            "typed,default,c20,typed@canary.example,2024-03-01",
            "untyped,crm,Zoe-Canary-1,,2024-03-01",
            "2,crm,c1,page_view,2024-03-01",
        ],
    ),
    "tickets.csv": lines(
        "ticket_id,source_system,customer_ref,opened_at",
        ["1,crm,r1,2024-03-01", "2,crm,new-canary,2024-03-01", "3,crm,c1,2024-03-01"],
    ),
}


@scenario()
def odd_references(workshop: Workshop) -> Build:
    return workshop.build(workshop.folder("odd-references"), FILES, with_artifacts=True)


@pytest.fixture(scope="module")
def warnings(odd_references: Build) -> str:
    """The warnings of the summary, without line breaks."""
    folder = odd_references.passed().folder
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        print_summary(folder / "target", console, full=True)
    return " ".join(console.export_text().split("Warnings")[1].split())


def test_orders_of_a_word_for_no_customer_are_of_guests(odd_references: Build) -> None:
    found = odd_references.passed().rows(
        "select check_name, value from monitoring.source_coverage "
        "where source_table = 'orders' and check_name in ('loaded', 'guests') order by 1"
    )
    assert found == [("guests", 80), ("loaded", 1_142)]
    assert odd_references.rows("select count(*) from customer_features") == [(1_004,)]


def test_the_summary_warns_of_a_customer_with_many_of_all_orders(warnings: str) -> None:
    assert "no customer holds many of all orders" in warnings
    assert "one customer holds 5.7% of all orders, 57 times the mean" in warnings


def test_references_that_meet_nobody_are_counted(odd_references: Build) -> None:
    found = odd_references.rows(
        "select source_table, check_name, value, verdict from monitoring.source_coverage "
        "where check_name like 'unmatched%' order by all"
    )
    assert found == [
        ("consents", "unmatched_but_for_blanks", 1, "info"),
        ("consents", "unmatched_but_for_case", 1, "info"),
        ("consents", "unmatched_but_for_leading_zeros", 1, "info"),
        ("consents", "unmatched_but_for_several", 1, "info"),
        ("consents", "unmatched_but_for_source_system", 1, "info"),
        ("consents", "unmatched_references", 12, "info"),
        ("consents", "unmatched_withdrawals", 6, "warn"),
        ("customers", "unmatched_references", 4, "info"),
        ("erasure_requests", "unmatched_but_for_case", 1, "info"),
        ("erasure_requests", "unmatched_but_for_leading_zeros", 1, "info"),
        ("erasure_requests", "unmatched_references", 2, "warn"),
        ("events", "unmatched_references", 1, "info"),
        ("tickets", "unmatched_references", 1, "info"),
    ]


def test_the_summary_warns_of_requests_that_meet_nobody(warnings: str) -> None:
    assert "withdrawals and erasure requests meet a customer" in warnings
    assert "6 rows of consents withdraw" in warnings
    assert "2 rows of erasure_requests ask" in warnings
    assert "Would match: 1 if case did not count, 1 without leading zeros" in warnings


def test_a_withdrawal_by_an_email_of_two_people_is_counted(
    odd_references: Build, warnings: str
) -> None:
    found = odd_references.rows(
        "select source_table, value, verdict from monitoring.source_coverage "
        "where check_name = 'requests_by_shared_email'"
    )
    assert found == [("consents", 1, "warn")]
    assert "1 request in consents by an e-mail address that several people use" in warnings


def test_sales_that_a_return_replaced_are_counted(odd_references: Build, warnings: str) -> None:
    found = odd_references.rows(
        "select value, threshold, verdict from monitoring.source_coverage "
        "where check_name = 'sale_turned_return'"
    )
    assert found == [(1, 0, "warn")]
    assert (
        "1 sale replaced by a newer version under the same order_id, which is a return" in warnings
    )
    assert "Give refunds an order_id of their own" in warnings


def test_no_warning_names_a_reference(warnings: str) -> None:
    assert "canary" not in warnings.lower()


def test_quarantined_rows_of_an_erased_person_are_not_published(odd_references: Build) -> None:
    """The request names the record, the row its reference."""
    quarantined = "select count(*) from {} where record_key = 'untyped'"
    assert odd_references.rows(quarantined.format("monitoring.quarantined_records")) == [(0,)]
    file = odd_references.folder / "warehouse" / "trial.duckdb"
    with duckdb.connect(str(file), read_only=True) as working:
        fates = working.execute(
            "select fate from restricted.base_events where event_id = 'untyped'"
        ).fetchall()
    assert fates == [("quarantined",)]


def test_an_address_as_event_type_is_shown_as_other(odd_references: Build) -> None:
    states = odd_references.rows(
        "select distinct from_state from journey_transitions "
        "where from_state not like 'touch:%' order by all"
    )
    assert states == [("(start)",), ("other",), ("page_view",)]
    shown_as_other = (
        "select value from monitoring.source_coverage where check_name = 'shown_as_other'"
    )
    assert odd_references.rows(shown_as_other) == [(1,)]


@scenario("odd_references")
def after_departure(workshop: Workshop, odd_references: Build) -> tuple[Build, bytes, bytes]:
    """The source deletes the erased person's rows; the request stays. Nothing is compressed."""
    folder = workshop.folder("after-departure")
    shutil.copytree(odd_references.passed().folder / "published", folder / "published")
    (folder / "warehouse").mkdir()
    working = folder / "warehouse" / "trial.duckdb"
    with duckdb.connect(str(working), config={"force_compression": "uncompressed"}) as copy:
        whole = odd_references.folder / "warehouse" / "trial.duckdb"
        copy.execute(f"attach '{whole}' as whole (read_only); copy from database whole to trial")
    before = working.read_bytes()
    profile = (workshop.builder.project / "profiles.yml").read_text()
    options = "      config_options:\n"
    assert options in profile
    (folder / "profiles.yml").write_text(
        profile.replace(options, f"{options}        force_compression: uncompressed\n")
    )
    gone = re.compile(r"crm,r0,|Zoe-Canary-1,|mia@", re.IGNORECASE)
    files = {
        name: "".join(line for line in text.splitlines(True) if not gone.search(line))
        for name, text in FILES.items()
    }
    files["erasure_requests.csv"] = FILES["erasure_requests.csv"]
    arguments = ["--profiles-dir", str(folder), "--exclude-resource-type", "test"]
    return workshop.build(folder, files, args=arguments), before, working.read_bytes()


@pytest.mark.slow
def test_the_bytes_of_people_who_left_the_data_leave_the_working_file(
    after_departure: tuple[Build, bytes, bytes],
) -> None:
    build, before, after = after_departure
    assert "the working file is written anew" in build.passed().output
    assert b"mia@canary.example" in before
    assert b"mia@canary.example" not in after
    # A live control: the address of others, once compressed no longer, can be found.
    assert b"home@canary.example" in after
    working = build.folder / "warehouse" / "trial.duckdb"
    with duckdb.connect(str(working), read_only=True) as file:
        columns = file.execute(
            'select format(\'"{}"."{}"\', table_schema, table_name), format(\'"{}"\', column_name)'
            " from information_schema.columns where data_type in ('VARCHAR', 'VARCHAR[]')"
        ).fetchall()
        held = {
            (table, column)
            for table, column in columns
            if file.execute(
                f"select 1 from {table} where {column}::varchar ilike '%mia@%'"
            ).fetchall()
        }
    assert len(columns) > 300
    assert held == set()


@scenario("odd_references")
def brought_back(workshop: Workshop, odd_references: Build) -> Build:
    """The request is gone, all old files are back, and the past is built anew."""
    folder = workshop.folder("brought-back")
    for part in ("warehouse", "published"):
        shutil.copytree(odd_references.passed().folder / part, folder / part)
    files = {
        **FILES,
        "erasure_requests.csv": FILES["erasure_requests.csv"].replace("crm,r0,2024-03-01\n", ""),
        # The same person, with a record of another system.
        "customers.csv": FILES["customers.csv"] + "newer,n1,,Mia,Mia@canary.example\n",
    }
    backfill = {"backfill_from": "2024-01-01", "backfill_to": "2024-12-31"}
    arguments = ["--exclude-resource-type", "test"]
    return workshop.build(folder, files, backfill, arguments)


def test_an_old_file_brings_no_erased_person_back(
    odd_references: Build, brought_back: Build
) -> None:
    file = brought_back.passed().folder / "warehouse" / "trial.duckdb"
    with duckdb.connect(str(file), read_only=True) as working:
        records = working.execute(
            "select source_system, record_id from identity.int_identity__records "
            "where is_in_crm order by all"
        ).fetchall()
        counted = working.execute(
            "select source_table, value from segmentation.source_coverage "
            "where check_name = 'tombstoned' order by all"
        ).fetchall()
        deleted = working.execute(
            "select count(*) from segmentation.activation_outbox where message = 'deleted'"
        ).fetchall()
        raw = working.execute("select * from input.customers").fetchall()
    assert records == [("crm", "r1"), ("crm", "r2"), ("crm", "r3"), ("shop", "r4")]
    # Of the person: a record; two statements by reference and address; an event.
    assert counted == [("consents", 2), ("customers", 1), ("events", 1)]
    # The record r0, its reference, and the two references of requests that meet nobody.
    assert deleted == [(2 + 3,)]
    assert len(raw) == 5
    assert b"r0" not in b"".join(str(row).encode() for row in raw)


def test_tombstones_hold_no_reference(odd_references: Build) -> None:
    file = odd_references.passed().folder / "warehouse" / "trial.erased.json"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text().lower()
    assert "canary" not in text
    assert '"r0"' not in text


@scenario("odd_references")
def erased_by_command(workshop: Workshop, odd_references: Build) -> Build:
    """A customer with an order and two events, of whom an old export is left."""
    folder = workshop.folder("erased-by-command")
    for part in ("raw", "warehouse", "published", "target"):
        shutil.copytree(odd_references.passed().folder / part, folder / part)
    (folder / "exports").mkdir()
    (folder / "exports" / "old.csv").write_text(f"customer_id\n{hashed_id('default', 'c20')}\n")
    project = str(workshop.builder.project)
    places = {"DBT_PROJECT_DIR": project, "DBT_PROFILES_DIR": project, "SEGMENTATION_THREADS": "1"}
    # Beside the project, which other builds use meanwhile.
    places |= {"DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs")}
    done = subprocess.run(
        [sys.executable, "-m", "customer_segmentation.cli", "erase"],
        cwd=folder,
        env={**os.environ, **places, "CUSTOMER_REF": "c20"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Build(folder, done.returncode, done.stdout + done.stderr)


def test_make_erase_leaves_nothing_but_an_old_export_and_proves_it(
    odd_references: Build, erased_by_command: Build
) -> None:
    build = erased_by_command
    (page,) = (build.folder / "erasures").iterdir()
    proof = page.read_text()
    # The export alone keeps the erasure from being complete.
    assert build.status == 1, build.output[-3000:]
    assert "exports/old.csv holds the person" in proof
    assert "still in" not in proof
    found = {
        name: [int(hits.replace(",", "")) for hits in numbers.split()]
        for name, numbers in re.findall(r"^(\S.*?\.duckdb.*?)  +([\d, ]+)$", proof, re.MULTILINE)
    }
    cells = found["cells of warehouse/trial.duckdb"]
    assert cells[0] > 10 < cells[2]
    assert cells[1] == 0
    copy = found["bytes of warehouse/trial.duckdb, uncompressed"]
    assert copy[0] > 0 < copy[2]
    assert [numbers[1] for numbers in found.values()] == [0] * len(found)
    assert "canary" not in proof
    assert "c20" not in proof.replace(page.stem, "")
    id_ = hashed_id("default", "c20")
    counted = "select count(*) from {} where customer_id = '" + id_ + "'"
    assert odd_references.rows(counted.format("customers")) == [(1,)]
    assert build.rows(counted.format("customers")) == [(0,)]
    assert build.rows(counted.format("activation_outbox")) == [(1,)]
    log = [json.loads(line) for line in (build.folder / "audit/audit.jsonl").open()]
    assert [line["action"] for line in log] == ["erase-begun", "build", "publish", "erase"]
    assert check(build.folder / "audit" / "audit.jsonl").end.lines == 4
    # The publication can't be in what it publishes.
    assert build.rows("select action from monitoring.audit_log order by line_number") == [
        ("erase-begun",),
        ("build",),
    ]
    requests = (build.folder / "raw" / "erasure_requests.csv").read_text().splitlines()
    assert requests[-1].startswith("default,c20,")
