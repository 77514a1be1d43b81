from customer_segmentation.clusters import fit_clusters


def model(dbt, session):
    sample = dbt.ref("int_segmentation__cluster_sample").df()
    return fit_clusters(
        sample,
        features=dbt.config.meta_get("features"),
        k_min=dbt.config.meta_get("k_min"),
        k_max=dbt.config.meta_get("k_max"),
        seed=dbt.config.meta_get("seed"),
    )
