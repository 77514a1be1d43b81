"""The project in Airflow, by Cosmos: a nightly build of everything, then delivery; alerts."""

import os
import shutil
from datetime import datetime
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param
from cosmos import ProfileConfig
from cosmos.constants import InvocationMode
from cosmos.operators.local import DbtBuildLocalOperator

ROOT = Path(os.environ.get("SEGMENTATION_PROJECT", Path(__file__).resolve().parents[2]))
DATASET = os.environ.get("DATASET", "demo")
COMMAND = ".venv/bin/customer-segmentation"

VARIABLES = (
    "{<<: [{dataset: " + DATASET + "}"
    "{% if params.backfill_from %}"
    ", {backfill_from: '{{ params.backfill_from }}', backfill_to: '{{ params.backfill_to }}'}"
    "{% endif %}"
    ", " + (ROOT / "datasets" / f"{DATASET}.yml").read_text(encoding="utf-8") + "]}"
)


def keep_results(copy: str, **_: object) -> None:
    """Copies what dbt says of a run from Cosmos' temporary copy to where alerts read it.

    DBT_TARGET_PATH would leave a parsed project there too, with paths of the copy.
    """
    (ROOT / "target").mkdir(exist_ok=True)
    for file in Path(copy, "target").glob("*.json"):
        shutil.copy(file, ROOT / "target")


with DAG(
    "customer_segmentation",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # One process at a time may write the working file.
    max_active_runs=1,
    params={
        "backfill_from": Param(None, type=["null", "string"], format="date"),
        "backfill_to": Param(None, type=["null", "string"], format="date"),
    },
) as dag:
    # One task: of a task per model nothing would be published.
    build = DbtBuildLocalOperator(
        task_id="build",
        project_dir=str(ROOT),
        profile_config=ProfileConfig(
            profile_name="customer_segmentation",
            target_name="local",
            profiles_yml_filepath=ROOT / "profiles.yml",
        ),
        dbt_executable_path=str(ROOT / ".venv" / "bin" / "dbt"),
        # Otherwise Cosmos takes the dbt of Airflow's environment, which lacks the project.
        invocation_mode=InvocationMode.SUBPROCESS,
        vars=VARIABLES,
        # Cosmos works in a copy of links: without it new files would stay there.
        env={"SEGMENTATION_HOME": str(ROOT), "DBT_LOG_PATH": str(ROOT / "logs")},
        append_env=True,
        # Called after a failed run too.
        callback=keep_results,
    )
    deliver = BashOperator(
        task_id="deliver",
        bash_command=f"[ ! -e destinations.yml ] || {COMMAND} deliver --dataset {DATASET}",
        cwd=str(ROOT),
    )
    # It fails if anything needs attention, also after a green build.
    alert = BashOperator(
        task_id="alert",
        bash_command=f"{COMMAND} alert --dataset {DATASET}"
        " ${SEGMENTATION_ALERTS:+--webhook SEGMENTATION_ALERTS}",
        cwd=str(ROOT),
        trigger_rule="all_done",
    )
    # The last tasks decide on a run: without this one, an alert that finds nothing would turn a
    # failed build green.
    done = EmptyOperator(task_id="done")
    build >> deliver >> [alert, done]
    build >> alert
