"""The project in Airflow, by Cosmos: a nightly build of everything, then delivery; alerts."""

import os
from datetime import datetime
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param
from cosmos import ProfileConfig
from cosmos.operators.local import DbtBuildLocalOperator

ROOT = Path(os.environ.get("SEGMENTATION_PROJECT", Path(__file__).resolve().parents[2]))
DATASET = os.environ.get("DATASET", "demo")
COMMAND = f"cd {ROOT} && .venv/bin/customer-segmentation"
PUBLISHED = ROOT / "published" / "segments.duckdb"

VARIABLES = (
    "{<<: [{dataset: " + DATASET + "}"
    "{% if params.backfill_from %}"
    ", {backfill_from: '{{ params.backfill_from }}', backfill_to: '{{ params.backfill_to }}'}"
    "{% endif %}"
    ", " + (ROOT / "datasets" / f"{DATASET}.yml").read_text(encoding="utf-8") + "]}"
)

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
        vars=VARIABLES,
        # Cosmos works in a copy of links: without it new files would stay there.
        env={"SEGMENTATION_HOME": str(ROOT)},
        append_env=True,
    )
    deliver = BashOperator(
        task_id="deliver", bash_command=f"{COMMAND} deliver --published {PUBLISHED}"
    )
    alert = BashOperator(
        task_id="alert",
        bash_command=f"{COMMAND} alert --webhook SEGMENTATION_ALERTS --published {PUBLISHED}",
        trigger_rule="one_failed",
    )
    build >> deliver
    [build, deliver] >> alert
