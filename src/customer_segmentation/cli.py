"""Commands for the project's raw data, builds and published file."""

from __future__ import annotations

import argparse
import datetime as dt
import errno
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from rich.console import Console

from customer_segmentation.activation.deliver import (
    deliver,
    plan_report,
    report,
    write_set_aside,
)
from customer_segmentation.activation.deliver import plan as plan_delivery
from customer_segmentation.activation.destinations import DestinationError, read_destinations
from customer_segmentation.activation.messages import Published
from customer_segmentation.activation.receipts import ReceiptsError, receipts_file
from customer_segmentation.activation.state import State, StateError
from customer_segmentation.audit import AuditError, audit_file, record
from customer_segmentation.audit import check as check_log
from customer_segmentation.erasure.erase import ErasureError, erase, proof_text
from customer_segmentation.erasure.held import export_person
from customer_segmentation.erasure.person import PersonError
from customer_segmentation.experiments.assign import (
    AssignError,
    assign_experiment,
    assignment_text,
)
from customer_segmentation.experiments.plan import PlanError, plan_experiment, plan_text
from customer_segmentation.input.check import check_folder
from customer_segmentation.input.contract import CONTRACT, read_contract, read_var
from customer_segmentation.input.tombstones import TombstoneError
from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.follow import follow
from customer_segmentation.live.state import read_live, run_of, state_file
from customer_segmentation.output.alerts import AlertError, alerts, send
from customer_segmentation.output.changed_rules import RulesError, build_changed, node_hashes
from customer_segmentation.output.dictionary import data_dictionary
from customer_segmentation.output.export import FORMATS, ExportError, export_segment
from customer_segmentation.output.fetch import FetchError, fetch
from customer_segmentation.output.grants import PLATFORMS, GrantsError, grants
from customer_segmentation.output.last_build import (
    HOME,
    TARGET,
    NoBuildError,
    last_published,
    open_to_read,
    published_file,
    read_artifact,
    vars_of,
    working_file,
)
from customer_segmentation.output.model_cards import model_cards
from customer_segmentation.output.publication import data_set
from customer_segmentation.output.query_result import RESULT_FORMATS, result_text
from customer_segmentation.output.summary import print_summary
from customer_segmentation.output.trial import TrialError, print_trial, try_rule
from customer_segmentation.output.unchanged import (
    Inputs,
    inputs_hash,
    is_unchanged,
    note_check,
    note_inputs,
)
from customer_segmentation.plain_yaml import YamlTextError, read_yaml
from customer_segmentation.serving.errors import ServeError
from customer_segmentation.serving.server import serve
from explorer.build import explorer_file, write_explorer


class VarsError(ValueError):
    """The vars of a build are no vars; the message says what is expected."""


def build(variables: str, force: bool) -> None:
    given = _vars(variables)
    inputs = inputs_hash(given)
    if not force and is_unchanged(inputs, given, TARGET):
        _say_unchanged(published_file(given))
        return
    # Whatever happens to the build, the working file is another one then.
    note_inputs(None, given, TARGET)
    started = time.time()
    if status := _dbt("build", "--vars", variables):
        raise SystemExit(status)
    _finish(started, inputs, given)


def build_rules(variables: str) -> None:
    given = _vars(variables)
    inputs = inputs_hash(given)
    if is_unchanged(inputs, given, TARGET):
        _say_unchanged(published_file(given))
        return
    started = time.time()
    if status := build_changed(variables, given, inputs, TARGET):
        raise SystemExit(status)
    _finish(started, inputs, given)


def _vars(variables: str) -> dict[str, Any]:
    given = read_yaml(variables) or {}
    if not isinstance(given, dict):
        raise VarsError("--vars is no mapping. Expected one, such as {raw_dir: data/shop}.")
    return given


def _say_unchanged(published: Path) -> None:
    note_check(TARGET)
    since = dt.datetime.fromtimestamp(published.stat().st_mtime, dt.UTC)
    print(
        f"Nothing changed since {published} was published ({since:%Y-%m-%d %H:%M} UTC): raw "
        f"files, code, libraries and vars are the same. To build anyway: make build FORCE=1."
    )


def _finish(started: float, inputs: Inputs | None, given: dict[str, Any]) -> None:
    explore(None, None)
    if last_published(TARGET) >= started:
        note_inputs(inputs, given, TARGET, node_hashes(read_artifact(TARGET, "manifest")))


def _dbt(*arguments: str) -> int:
    """Runs dbt beside this process, which ends when dbt does; returns its exit code."""
    stops = signal.SIGINT, signal.SIGTERM
    with subprocess.Popen([Path(sys.executable).with_name("dbt"), *arguments]) as running:
        before = [
            signal.signal(number, lambda number, _: running.send_signal(number)) for number in stops
        ]
        try:
            status = running.wait()
        finally:
            for number, handler in zip(stops, before, strict=True):
                signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def check_input(raw_dir: str, contract: Path) -> None:
    report = check_folder(
        raw_dir,
        read_contract(contract),
        read_var(contract, "event_roles"),
        empty_references=read_var(contract, "empty_references"),
    )
    print(report)
    if report.changes:
        raise SystemExit(1)


def summary(dataset: str | None, target: Path, full: bool) -> None:
    print_summary(target, _console(), dataset=dataset, full=full)


class QueryError(ValueError):
    """There is nothing to answer; the message says what is missing."""


def query(
    sql: str,
    format: str,  # noqa: A002
    published: Path | None,
    dataset: str | None,
) -> None:
    with open_to_read(_current(published, dataset)) as connection:
        result = connection.sql(sql)
        if result is None:
            raise QueryError('The query is empty. Expected a select: make query SQL="select ..."')
        # Where there is no terminal, lines may be long.
        width = shutil.get_terminal_size(fallback=(200, 24)).columns
        print(result_text(result, format, width), end="")


def try_out(rule: str, dataset: str | None, target: Path) -> None:
    _current(None, dataset, target)
    print_trial(try_rule(rule, target, dataset=dataset), _console())


def export(
    segment: str,
    format: str,  # noqa: A002
    published: Path | None,
    dataset: str | None,
    target: Path | None,
    with_refs: bool,
) -> None:
    current = _current(published, dataset)
    name = f"{re.sub('[^A-Za-z0-9_-]+', '_', segment)}.{format}"
    path = (target or _exports(current)) / name
    written = export_segment(segment, format, current, path, with_refs=with_refs)
    record("export", segment=segment, customers=written.customers, rows=written.rows)
    references = f" with {written.rows:,} references" if with_refs else ""
    print(
        f"{written.path}: {written.customers:,} customers{references}; left out: "
        f"{written.withdrawn:,} withdrew consent, {written.unstated:,} never gave or refused it"
        + (f", {written.held_out:,} in the global holdout" if written.held_out else "")
    )
    if written.unstated and not written.states_consent:
        print(
            "No customer of this data set has stated whether they consent to activation. Var "
            "activation_consent: opt_out hands over customers without a statement."
        )


def erase_person(source_system: str, dataset: str | None, target: Path, yes: bool) -> None:
    variables = vars_of(dataset, target)
    proof = erase(source_system, _given_reference(), variables, target, is_sure=yes)
    text = "\n".join(proof_text(proof)) + "\n"
    folder = HOME / "erasures"
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    page = folder / f"{proof.dataset}_{proof.requested_at[:10]}_{proof.reference[:12]}.txt"
    page.write_text(text, encoding="utf-8")
    record(
        "erase",
        dataset=proof.dataset,
        reference=proof.reference,
        references=proof.references,
        raw_rows=sum(proof.raw_rows.values()),
        still_found=sum(place.after for place in proof.places) + len(proof.exports),
    )
    print(text + f"Written to {page}")
    if not proof.is_complete:
        raise SystemExit(1)


def export_held(source_system: str, dataset: str | None, build: Path, target: Path) -> None:
    variables = vars_of(dataset, build)
    held = export_person(source_system, _given_reference(), variables, target)
    rows = sum(held.rows.values())
    record("export-person", dataset=str(variables.get("dataset", "demo")), rows=rows)
    print(
        f"{held.path}: {rows:,} rows of {len(held.rows)} tables, {held.references} references. "
        f"The file names the person: hand it over safely, then delete it."
    )


def _given_reference() -> str:
    # In the environment, since the arguments of a process are readable by all users.
    reference = os.environ.get("CUSTOMER_REF", "").strip()
    if not reference:
        raise PersonError(
            "CUSTOMER_REF is empty. Expected a reference of the customer: make erase "
            "CUSTOMER_REF=c17 SOURCE=shop."
        )
    return reference


def check_audit() -> None:
    end, torn = check_log(audit_file())
    print(f"{audit_file()}: {end.lines:,} lines hold together. Hash of the last one: {end.hash}")
    if torn:
        places = ", ".join(map(str, torn))
        print(
            f"Half lines, skipped: {places} of the file. Their processes were killed while they "
            f"wrote what they had done."
        )


def deliver_messages(
    destinations: Path,
    receipts: Path | None,
    state: Path,
    dry_run: bool,
    retry_set_aside: bool,
    published: Path | None,
    dataset: str | None,
) -> None:
    file = _current(published, dataset)
    with open_to_read(file) as connection:
        name = (data_set(file) or ("",))[0]
        live = read_live(state_file(working_file({"dataset": name})), run_of(file))
        source = Published(connection, live)
        declared = read_destinations(destinations, source.segments())
        place = state / f"{source.dataset}.sqlite"
        with State(Path(":memory:") if dry_run and not place.exists() else place) as kept:
            if dry_run:
                print(*plan_report(plan_delivery(source, declared, kept)), sep="\n")
                return
            receipts = receipts or receipts_file(source.raw_data)
            if retry_set_aside:
                kept.retry_set_aside()
            done = deliver(source, declared, kept, receipts)
            for name, result in done.items():
                messages = result.delivered.total()
                record("deliver", dataset=source.dataset, destination=name, messages=messages)
            print(*report(done), sep="\n")
            print(f"Receipts for the next build: {receipts}")
            listed = state / f"{source.dataset}_set_aside.csv"
            if set_aside := write_set_aside(kept, listed):
                print(f"{set_aside:,} set aside in all: {listed}")
            for name, count in kept.abandoned(declared).items():
                print(f"{count:,} wait for {name}, which {destinations} no longer declares")
            if untaken := source.segments_in_outbox() - {k for d in declared for k in d.segments}:
                print(f"Segments in the outbox that no destination takes: {len(untaken)}")
        if not all(result.is_complete for result in done.values()):
            raise SystemExit(1)


def serve_published(
    readers: Path, host: str, port: int, published: Path | None, dataset: str | None
) -> None:
    serve(_current(published, dataset), readers, host, port)


def live(
    stream: str,
    as_of: dt.date | None,
    until_empty: bool,
    dataset: str | None,
    contract: Path,
    target: Path,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    done = follow(stream, as_of, vars_of(dataset, target), target, contract, until_empty)
    print(f"{done.messages:,} messages, {done.changes:,} memberships changed")
    for reason, count in done.reasons.items():
        print(f"{count:,} without effect since the build: {reason}")


def alert(
    hours: float,
    webhook: str | None,
    state: Path,
    published: Path | None,
    dataset: str | None,
    target: Path,
) -> None:
    # Without the line on stderr: cron mails whatever is printed.
    file = _file(published, dataset, target)
    held = data_set(file)
    name = dataset or (held and held[0])
    now = dt.datetime.now(dt.UTC)
    found = alerts(file, target, state / f"{name}.sqlite", hours, now, dataset)
    if found:
        as_of = f", as of {held[2]}" if held and held[0] == name else ""
        said = [f"Data set {name}{as_of}:" if name else "Segmentation:", *found]
        print(*said, sep="\n")
        if webhook:
            send(said, webhook)
        raise SystemExit(1)


def explore(published: Path | None, dataset: str | None) -> None:
    file = _current(published, dataset)
    with open_to_read(file) as connection:
        try:
            written = write_explorer(connection, explorer_file(file))
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise NoBuildError(
                f"{file} was published by another version, which had other marts. Run `make build`."
            ) from error
    record("explore", file=written.path.as_posix(), pages=len(written.pages))
    print(f"{written.path}: {len(written.pages)} pages, {written.size / 1e6:.1f} MB")


def plan(
    segment: str,
    metric: str,
    baseline: str,
    lift: float,
    variants: int,
    power: float,
    published: Path | None,
    dataset: str | None,
) -> None:
    sizes: dict[str, Any] = {"lift": lift, "variants": variants, "power": power}
    made = plan_experiment(
        _current(published, dataset), segment, metric, baseline=baseline, **sizes
    )
    print(plan_text(made, segment, metric, **sizes))


def assign(experiment: str, dataset: str | None, build: Path, target: Path | None) -> None:
    folder = target or _exports(_current(None, dataset, build))
    made = assign_experiment(experiment, build, folder, dataset=dataset)
    record("assign", experiment=experiment, customers=sum(made.variants.values()))
    print(assignment_text(made))


def print_vars(dataset: str | None, target: Path) -> None:
    print(json.dumps(vars_of(dataset, target), default=str))


def print_grants(platform: str, dataset: str | None, contract: Path, target: Path) -> None:
    roles = vars_of(dataset, target).get("roles") or read_var(contract, "roles")
    for statement in grants(read_artifact(target, "manifest"), roles, platform):
        print(f"{statement};")


def fetch_published(published: Path | None, dataset: str | None, target: Path) -> None:
    path = _file(published, dataset, target)
    print(f"{path}: {fetch(read_artifact(target, 'manifest'), path)} tables")


def dictionary(target: Path) -> None:
    page = target / "data_dictionary.md"
    page.write_text(data_dictionary(read_artifact(target, "manifest")), encoding="utf-8")
    print(page)


def write_model_cards(published: Path | None, dataset: str | None, target: Path) -> None:
    folder = target / "model_cards"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with open_to_read(_current(published, dataset)) as connection:
        cards = model_cards(connection)
    for name, card in cards.items():
        (folder / f"{name}.md").write_text(card, encoding="utf-8")
    print(f"{folder}: {len(cards)} model cards")


def _exports(published: Path) -> Path:
    held = data_set(published)
    return Path("exports", held[0]) if held else Path("exports")


def _file(published: Path | None, dataset: str | None, target: Path = TARGET) -> Path:
    """The published file that a command reads."""
    if published is not None:
        return published
    try:
        return published_file(vars_of(dataset, target))
    except NoBuildError:
        if dataset is not None:
            raise
        return published_file({})


def _current(published: Path | None, dataset: str | None, target: Path = TARGET) -> Path:
    """The published file that a command reads. Says on stderr which data set it holds."""
    published = _file(published, dataset, target)
    if published.exists() and (held := data_set(published)):
        print(f"Data set {held[0]} from {held[1]}, as of {held[2]}", file=sys.stderr)
    return published


class Command(NamedTuple):
    handler: Callable[..., None]
    help: str
    arguments: list[tuple[str, dict[str, Any]]]


_VARS = "--vars", {"dest": "variables", "default": "{}", "help": "as for dbt"}
_FORCE = "--force", {"action": "store_true", "help": "even if nothing has changed"}
_TARGET = "--target", {"type": Path, "default": TARGET, "help": "dbt's target folder"}
_DATASET = (
    "--dataset",
    {"help": "data set, of datasets/name.yml; default: the last build's"},
)
_PUBLISHED = "--published", {"type": Path, "help": "the published file; default: the data set's"}
_CONTRACT = "--contract", {"type": Path, "default": CONTRACT, "help": "the declared sources"}
_FOLDER = (
    "--target",
    {"type": Path, "help": "folder to write to; default: the data set's in exports"},
)
_DESTINATIONS = (
    "--destinations",
    {"type": Path, "default": Path("destinations.yml"), "help": "where messages go"},
)
_RECEIPTS = "--receipts", {"type": Path, "help": "CSV file; default: in the raw folder"}
_STATE = (
    "--state",
    {"type": Path, "default": HOME / "deliveries", "help": "folder of what was delivered"},
)
_DRY_RUN = "--dry-run", {"action": "store_true", "help": "count what would be sent, send nothing"}
_RETRY = "--retry-set-aside", {"action": "store_true", "help": "send what was set aside, too"}
_READERS = (
    "--readers",
    {"type": Path, "default": Path("readers.yml"), "help": "who may ask, by which key"},
)
_HOST = "--host", {"default": "127.0.0.1", "help": "address to listen on; default: this machine's"}
_PORT = "--port", {"type": int, "default": 8000, "help": "port to listen on; default: 8000"}
_STREAM = "--stream", {"default": "raw", "help": "Redis stream or Kafka topic; default: raw"}
_AS_OF = (
    "--as-of",
    {
        "type": dt.date.fromisoformat,
        "help": "date up to which rows count, exclusive; default: the build's",
    },
)
_UNTIL_EMPTY = "--until-empty", {"action": "store_true", "help": "stop at the stream's end"}
_HOURS = (
    "--hours",
    {"type": float, "default": 26, "help": "how old the published file may be; default: 26"},
)
_WEBHOOK = "--webhook", {"help": "environment variable with the address to post to"}
_FORMAT = "--format", {"choices": FORMATS, "default": "csv"}
_RESULT_FORMAT = "--format", {"choices": RESULT_FORMATS, "default": "table"}
_WITH_REFS = (
    "--with-refs",
    {"action": "store_true", "help": "one row per customer_ref and source system of a member"},
)
_RAW_DIR = "raw_dir", {"help": "folder of the raw files"}
_FULL = "--full", {"action": "store_true", "help": "all segments, findings and verdicts"}
_YES = "--yes", {"action": "store_true", "help": "erase a customer with many records, too"}
_RULE = "rule", {"help": "as in rule_segments: '{metric: orders, at_least: 3}'"}
_SEGMENT = "segment", {"help": "such as rule:recent_buyers"}
_METRIC = "metric", {"help": "conversion, repeat_rate, response_rate or a customer_features column"}
_BASELINE = "--baseline", {"default": "auto", "help": "a number; auto: the segment's own"}
_LIFT = "--lift", {"type": float, "default": 0.1, "help": "change to find, as a share"}
_VARIANTS = "--variants", {"type": int, "default": 2, "help": "with the control"}
_POWER = "--power", {"type": float, "default": 0.8, "help": "chance of finding it"}
_EXPERIMENT = "experiment", {"help": "a name of var experiments"}
_BUILD = "--build", {"type": Path, "default": TARGET, "help": "dbt's target folder"}
_PLATFORM = "platform", {"choices": sorted(PLATFORMS), "help": "where the tables are"}
_SOURCE = "--source", {"default": "default", "dest": "source_system", "help": "its source_system"}
_SQL = "sql", {"nargs": "?", "default": "", "help": "a query in the SQL of DuckDB"}

COMMANDS = {
    "build": Command(
        build,
        "build, publish and write the explorer, if anything changed",
        [_VARS, _FORCE],
    ),
    "build-rules": Command(
        build_rules,
        "build and publish what changed rules change; the rest is that of the last build",
        [_VARS],
    ),
    "check-input": Command(check_input, "check raw files without building", [_RAW_DIR, _CONTRACT]),
    "summary": Command(summary, "print the summary of a build", [_DATASET, _TARGET, _FULL]),
    "query": Command(
        query, "query the published file", [_SQL, _RESULT_FORMAT, _PUBLISHED, _DATASET]
    ),
    "try": Command(
        try_out, "try a rule on the tables of the last build", [_RULE, _DATASET, _TARGET]
    ),
    "export": Command(
        export,
        "write a segment's members to a file",
        [_SEGMENT, _FORMAT, _PUBLISHED, _DATASET, _FOLDER, _WITH_REFS],
    ),
    "erase": Command(
        erase_person,
        "erase the customer of the environment variable CUSTOMER_REF, build, and search the rest",
        [_SOURCE, _DATASET, _TARGET, _YES],
    ),
    "export-person": Command(
        export_held,
        "write all that is held on the customer of the environment variable CUSTOMER_REF",
        [_SOURCE, _DATASET, _BUILD, _FOLDER],
    ),
    "check-audit": Command(check_audit, "look for changes in the audit log", []),
    "deliver": Command(
        deliver_messages,
        "send the messages of the outbox to the destinations",
        [_DESTINATIONS, _RECEIPTS, _STATE, _DRY_RUN, _RETRY, _PUBLISHED, _DATASET],
    ),
    "serve": Command(
        serve_published,
        "answer questions about customers and segments over HTTP",
        [_READERS, _HOST, _PORT, _PUBLISHED, _DATASET],
    ),
    "live": Command(
        live,
        "keep memberships up to date with the orders and events of a Redis stream or Kafka topic",
        [_STREAM, _AS_OF, _UNTIL_EMPTY, _DATASET, _CONTRACT, _TARGET],
    ),
    "alert": Command(
        alert,
        "report failed, late or undelivered work; nothing if all is well",
        [_HOURS, _WEBHOOK, _STATE, _PUBLISHED, _DATASET, _TARGET],
    ),
    "explore": Command(
        explore, "write a page of charts from the published file", [_PUBLISHED, _DATASET]
    ),
    "plan-experiment": Command(
        plan,
        "how many customers an experiment needs",
        [_SEGMENT, _METRIC, _BASELINE, _LIFT, _VARIANTS, _POWER, _PUBLISHED, _DATASET],
    ),
    "assign": Command(
        assign, "write who gets which variant", [_EXPERIMENT, _DATASET, _BUILD, _FOLDER]
    ),
    "grants": Command(
        print_grants,
        "print the GRANT statements of var roles",
        [_PLATFORM, _DATASET, _CONTRACT, _TARGET],
    ),
    "fetch": Command(
        fetch_published,
        "copy what a build on Spark published to the published file",
        [_PUBLISHED, _DATASET, _TARGET],
    ),
    "vars": Command(print_vars, "print the vars of a data set", [_DATASET, _TARGET]),
    "dictionary": Command(dictionary, "write a page of all published columns", [_TARGET]),
    "model-cards": Command(
        write_model_cards,
        "write a page on each prediction that has a model",
        [_PUBLISHED, _DATASET, _TARGET],
    ),
}


_COMPLAINTS = (
    *(NoBuildError, ExportError, QueryError, TrialError, AssignError, PlanError, GrantsError),
    *(DestinationError, ReceiptsError, StateError, ServeError, AlertError, LiveError),
    *(PersonError, ErasureError, TombstoneError, AuditError, VarsError, YamlTextError),
    *(RulesError, FetchError),
)


def main(arguments: list[str] | None = None) -> None:
    """Runs one command. Paths are relative to the current folder."""
    parser = argparse.ArgumentParser(prog="customer-segmentation", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help)
        subparser.set_defaults(handler=command.handler)
        for flag, options in command.arguments:
            subparser.add_argument(flag, **options)
    given = vars(parser.parse_args(arguments))
    try:
        given.pop("handler")(**given)
        sys.stdout.flush()
    except (*_COMPLAINTS, duckdb.Error) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except BrokenPipeError:
        # The reader, such as head, has enough.
        _discard_output()
    except OSError as error:
        # Such as a folder of another user.
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        if error.filename is None:
            # Writing to an open file. Where that is standard output, the rest can't be written.
            try:
                sys.stdout.flush()
            except OSError:
                _discard_output()
            parser.exit(
                2,
                f"{parser.prog}: error: {error.strerror}. Expected room where the command writes: "
                f"free some and run it again.\n",
            )
        parser.exit(
            2,
            f"{parser.prog}: error: {error.filename} can't be used: {error.strerror}. Expected "
            f"something that this user may read, and write where the command writes.\n",
        )


def _discard_output() -> None:
    """Python would otherwise complain of what it can't write when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console() -> Console:
    # Where there is no terminal, lines may be long.
    width = shutil.get_terminal_size(fallback=(200, 24)).columns
    # Brackets in names of segments are no markup.
    return Console(highlight=False, markup=False, soft_wrap=True, width=width)


if __name__ == "__main__":
    main()
