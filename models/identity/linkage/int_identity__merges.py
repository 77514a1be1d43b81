from customer_segmentation.identity.people import merge_by_date


def model(dbt, session):
    return merge_by_date(
        records=dbt.ref("int_identity__identifiers"),
        pairs=dbt.ref("int_identity__pairs"),
        decisions=dbt.ref("int_identity__decisions"),
        dates=dbt.ref("int_staging__calendar"),
        nicknames=dbt.ref("nicknames"),
        vetoes=dbt.config.meta_get("vetoes"),
        cap=dbt.config.meta_get("cap"),
    )
