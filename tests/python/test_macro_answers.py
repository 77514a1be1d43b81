"""What a command asks dbt is answered on the tables of its data set."""

from __future__ import annotations

from dbt.contracts.files import FileHash
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode
from dbt.node_types import NodeType

from customer_segmentation.output.macro_answers import use_working_file


def model(package: str) -> ModelNode:
    return ModelNode(
        name="customers",
        alias="customers",
        database="parsed_last",
        schema="marts",
        resource_type=NodeType.Model,
        package_name=package,
        path="customers.sql",
        original_file_path="models/customers.sql",
        unique_id=f"model.{package}.customers",
        fqn=[package, "customers"],
        checksum=FileHash.from_contents(""),
    )


def test_only_tables_of_this_package_are_in_the_working_file() -> None:
    nodes = [model("customer_segmentation"), model("finance")]
    manifest = Manifest(nodes={node.unique_id: node for node in nodes})
    use_working_file(manifest, {"dataset": "shop"})
    assert [node.database for node in nodes] == ["shop", "parsed_last"]
