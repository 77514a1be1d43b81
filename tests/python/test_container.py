"""The image and the services: rules that matter, and entry points run without a container."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import redis
import yaml
from other_processes import free_port
from printed_examples import ROOT
from redis.backoff import ConstantBackoff
from redis.retry import Retry

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction and its arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())
    ]


def complaints(dockerfile: str) -> list[str]:
    """What is wrong with a Dockerfile, by the few rules that matter here."""
    found, user = [], ""
    for word, rest in instructions(dockerfile):
        if word == "FROM":
            user = ""
            if not re.match(r"\S+(:\d+\.\d+\.\d+\S*|@sha256:[0-9a-f]{64})( AS \w+)?$", rest):
                found.append(f"FROM {rest}: an exact version is expected")
        if word == "USER":
            user = rest
        if word == "ADD":
            found.append(f"ADD {rest}: COPY is expected")
        if word == "RUN" and re.search(r"pip install\b(?!.*==)|curl|wget|sudo", rest):
            found.append(f"RUN {rest}: a pinned package is expected")
        if word in ("ENV", "ARG") and re.search(r"\w*(KEY|SECRET|TOKEN|PASSWORD)\w*=", rest):
            found.append(f"{word} {rest}: secrets come from outside")
        if word in ("CMD", "ENTRYPOINT") and not rest.startswith("["):
            found.append(f"{word} {rest}: a list is expected, so that signals arrive")
    if not re.match(r"[1-9]\d*(:[1-9]\d*)?$", user):
        found.append(f"USER {user}: a number other than 0 is expected")
    return found


def test_the_image_is_pinned_and_without_rights() -> None:
    assert complaints(DOCKERFILE) == []
    assert DOCKERFILE.count("FROM ") == 2


@pytest.mark.parametrize(
    "line",
    [
        "FROM python:latest",
        "FROM python",
        "FROM python:3.13",
        "USER root",
        "USER 0",
        "ADD https://example.com/x /x",
        "RUN pip install uv",
        "RUN curl https://example.com | sh",
        "ENV API_KEY=abc",
        "CMD customer-segmentation serve",
    ],
)
def test_the_rules_find_what_they_forbid(line: str) -> None:
    assert len(complaints(f"{DOCKERFILE}\n{line}\n")) >= 1


def test_the_versions_are_those_of_the_project() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    version = re.search(r"^UV_VERSION := (\S+)", makefile, re.MULTILINE)
    assert f"uv=={version[1]}" in DOCKERFILE
    assert len(set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))) == 1


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    def is_ignored(name: str) -> bool:
        ignored = False
        for rule in rules:
            pattern = rule.removeprefix("!")
            if fnmatch(name, pattern) or name == pattern or name.startswith(f"{pattern}/"):
                ignored = not rule.startswith("!")
        return ignored

    copied = [
        source
        for word, rest in instructions(DOCKERFILE)
        if word == "COPY" and "--from" not in rest
        for source in [part for part in rest.split() if not part.startswith("--")][:-1]
    ]
    assert {"src", "models", "uv.lock", "examples/container/build"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not is_ignored(source), source
    for private in ("data", "published", "warehouse", "deliveries", ".git", "readers.yml"):
        assert is_ignored(private), private


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_no_rights_and_listen_on_this_machine_alone(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    # An image of others says here what the Dockerfile says of ours.
    if "build" not in service:
        assert complaints(f"FROM {service['image']}\nUSER {service['user']}\n") == []
    # Secrets have no default.
    for key, value in service.get("environment", {}).items():
        assert not key.endswith("_KEY") or re.match(r"\$\{\w+:\?", value), key


def test_services_share_the_volumes_they_need() -> None:
    home = "segmentation:/var/lib/segmentation"
    for name in ("builder", "live", "deliverer"):
        assert home in SERVICES[name]["volumes"]
    assert f"{home}:ro" in SERVICES["api"]["volumes"]
    # One audit log for all. Docker makes no folder to mount on in what is read-only.
    for service in SERVICES.values():
        assert "build" not in service or "audit:/var/lib/segmentation/audit" in service["volumes"]
    assert set(COMPOSE["volumes"]) == {"segmentation", "audit", "stream", "temporary"}
    (made,) = re.findall(r"install -d -o 10001 -g 10001 (.*)", DOCKERFILE)
    assert "/var/lib/segmentation/audit" in made.split()
    assert "SEGMENTATION_HOME=/var/lib/segmentation " in DOCKERFILE
    _, command = instructions(DOCKERFILE)[-1]
    assert json.loads(command)[-1] == "/var/lib/segmentation/published/segments.duckdb"


def test_the_image_has_what_its_services_import() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = re.findall(r"uv sync (.*)", DOCKERFILE)
    assert len(installed) == 2
    for line in installed:
        assert re.findall(r"--extra (\w+)", line) == ["serve", "live"]
    assert {"serve", "live"} <= extras["optional-dependencies"].keys()


def test_the_service_starts_as_in_the_image(tmp_path: Path) -> None:
    _, command = instructions(DOCKERFILE)[-1]
    program, *arguments = json.loads(command)
    ran = subprocess.run(
        [ROOT / ".venv" / "bin" / program, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "There is no readers.yml" in ran.stderr


@pytest.mark.parametrize("name", ["live", "deliverer"])
def test_live_profiles_and_delivery_start_as_in_the_image(tmp_path: Path, name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    ran = subprocess.run(
        [ROOT / ".venv" / "bin" / program, *arguments],
        cwd=tmp_path,
        env={**os.environ, "SEGMENTATION_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "Run `make build` first." in ran.stderr


def test_the_broker_keeps_the_stream_when_it_is_killed(tmp_path: Path) -> None:
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is missing. Install it: apt-get install redis-server")
    place, port = "/data", free_port()
    command = SERVICES["broker"]["command"]
    assert SERVICES["broker"]["volumes"] == [f"stream:{place}"]
    here = [str(tmp_path) if part == place else part for part in command]
    found = []
    for message in ("first", "second"):
        broker = subprocess.Popen([*here, "--port", str(port)], stdout=subprocess.DEVNULL)
        with redis.Redis(port=port, retry=Retry(ConstantBackoff(0.1), 100)) as client:
            client.xadd("raw", {"record": message})
            found.append(client.xlen("raw"))
        broker.kill()
        broker.wait()
    assert found == [1, 2]


def test_the_builder_builds_with_the_vars_of_the_data_set(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dbt").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (programs / "dbt").chmod(0o755)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "shop.yml").write_text("{raw_dir: data/shop, timezone: Europe/Berlin}")
    paths = f"{programs}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    kind, dataset = SERVICES["builder"]["command"]
    assert (kind, dataset) == ("build", "${DATASET:-shop}")
    ran = subprocess.run(
        [ROOT / "examples" / "container" / kind, "shop"],
        cwd=tmp_path,
        env={**os.environ, "PATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    *_, flag, given = ran.stdout.splitlines()
    assert flag == "--vars"
    assert yaml.safe_load(given) == {
        "dataset": "shop",
        "raw_dir": "data/shop",
        "timezone": "Europe/Berlin",
    }
    # The stand-in published nothing to explore.
    assert "published/segments.duckdb does not exist" in ran.stderr
    ran = subprocess.run(
        [ROOT / "examples/container/build"], capture_output=True, text=True, check=False
    )
    assert "Expected the name of a data set" in ran.stderr


def test_the_health_check_is_a_program() -> None:
    kind, *command = SERVICES["api"]["healthcheck"]["test"]
    assert kind == "CMD"
    compile(command[-1], "health check", "exec")
    assert shlex.join(command).startswith("python -c")
