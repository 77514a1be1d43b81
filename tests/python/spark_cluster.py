"""A small Spark cluster on this machine: a master, two workers and a Thrift server.

Run by `make spark-up`, `make spark-down` and `make test-spark`, and by the slow tests.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / "target" / "spark"
WORKERS = 2
# The ports of the master and, for tests beside a running cluster, others. dbt reads SPARK_PORT too.
MASTER_PORT = 7077
THRIFT_PORT = int(os.environ.get("SPARK_PORT", "10000"))
PATIENCE = 300  # seconds until the Thrift server answers, on a busy machine
DEPLOY = "org.apache.spark.deploy"


def missing() -> str | None:
    """What has to be installed first, in one line."""
    if importlib.util.find_spec("pyspark") is None:
        return "Spark is not installed. Run `make install-spark`."
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    version = (
        subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        if java
        else ""
    )
    found = re.search(r'version "(\d+)', version)
    if found is None or int(found[1]) not in (17, 21):
        what = f"Java {found[1]}" if found else "no Java"
        return f"Spark needs Java 17 or 21, found {what}. Install openjdk-17-jre-headless."
    return None


def up(
    home: Path = HOME, master_port: int = MASTER_PORT, thrift_port: int | None = THRIFT_PORT
) -> None:
    """Starts the processes and waits until the last one answers.

    home: where the processes keep tables, logs and their ids. thrift_port: None starts no Thrift
    server, for those who come as the driver of a session.
    Raises RuntimeError, with all processes stopped, if one of them ends or none answers in time.
    """
    if running(home):
        raise RuntimeError(f"A cluster of {home} is running. Stop it: make spark-down")
    for port in (master_port, thrift_port):
        if port and is_open(port):
            raise RuntimeError(f"Port {port} is taken by another process: stop that one first")
    home.mkdir(parents=True, exist_ok=True)
    master = f"spark://localhost:{master_port}"
    quiet = ["--host", "localhost", "--webui-port", "0"]
    commands = {
        "master": ["spark-class", f"{DEPLOY}.master.Master", "--port", str(master_port), *quiet],
        **{
            f"worker-{number}": [
                *("spark-class", f"{DEPLOY}.worker.Worker", master, "--cores", "1"),
                *("--memory", "2g", "--work-dir", str(home / "work"), *quiet),
            ]
            for number in range(1, WORKERS + 1)
        },
    }
    if thrift_port:
        commands["thrift-server"] = _thrift_server(master, home, thrift_port)
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            started[name] = _start(name, command, home)
            (home / "processes.json").write_text(
                json.dumps({name: process.pid for name, process in started.items()})
            )
            port = {"master": master_port, "thrift-server": thrift_port}.get(name)
            if port:
                _wait_for(port, started, home)
    except BaseException:
        down(home)
        raise


def _thrift_server(master: str, home: Path, port: int) -> list[str]:
    settings = {
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={home / 'metastore'}",
        "spark.executor.memory": "2g",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(WORKERS),
        "spark.sql.warehouse.dir": str(home / "warehouse"),
        "spark.ui.enabled": "false",
    }
    server = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
    hive = {"hive.server2.thrift.bind.host": "localhost", "hive.server2.thrift.port": str(port)}
    return [
        *("spark-submit", "--master", master, "--driver-memory", "2g", "--class", server),
        *(part for name, value in settings.items() for part in ("--conf", f"{name}={value}")),
        "spark-internal",
        *(part for name, value in hive.items() for part in ("--hiveconf", f"{name}={value}")),
    ]


def _start(name: str, command: list[str], home: Path) -> subprocess.Popen[bytes]:
    import pyspark

    spark = Path(pyspark.__file__).parent
    program = str(spark / "bin" / command[0])
    environment: Mapping[str, str] = {
        **os.environ,
        "SPARK_HOME": str(spark),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    with (home / f"{name}.log").open("wb") as log:
        # A session of its own: Ctrl-C in the terminal of `make spark-up` must not end it later.
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_for(port: int, started: Mapping[str, subprocess.Popen[bytes]], home: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not is_open(port):
        for name, process in started.items():
            if process.poll() is not None:
                raise RuntimeError(f"The {name} ended while it started: see {home / name}.log")
        if time.monotonic() > until:
            name = list(started)[-1]
            raise RuntimeError(f"The {name} took over {PATIENCE} s: see {home / name}.log")
        time.sleep(0.5)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def running(home: Path = HOME) -> dict[str, int]:
    """The ids of the cluster's processes that still run."""
    file = home / "processes.json"
    known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    return {name: number for name, number in known.items() if _is_of_spark(number)}


def _is_of_spark(process: int) -> bool:
    """After a restart of the machine the id may be another program's."""
    # The class stands behind the long class path, which ps cuts to the variable COLUMNS without ww.
    command = ["ps", "-ww", "-o", "stat=,command=", "-p", str(process)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "org.apache.spark" in shown and not shown.startswith("Z")


def down(home: Path = HOME) -> list[str]:
    """Stops the processes, the last one first; gives their names."""
    stopped = running(home)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + 30
        for process in reversed(list(running(home).values())):
            os.kill(process, sent)
        while running(home) and time.monotonic() < until:
            time.sleep(0.5)
    (home / "processes.json").unlink(missing_ok=True)
    return list(stopped)


def main(command: str) -> str:
    if command == "down":
        stopped = down()
        return f"Stopped: {', '.join(stopped)}." if stopped else "No cluster was running."
    lacking = missing()
    if lacking:
        sys.exit(lacking)
    if command == "check":
        return "Java and Spark are there."
    try:
        up()
    except RuntimeError as error:
        sys.exit(str(error))
    return (
        f"A master, {WORKERS} workers and a Thrift server on port {THRIFT_PORT} are running; logs"
        f" are in {HOME}. For dbt: SPARK_METHOD=thrift, --target spark. Stop them: make spark-down"
    )


if __name__ == "__main__":
    print(main(sys.argv[1]))
