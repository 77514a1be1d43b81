from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_segmentation__cluster_sample"),
        stored=dbt.this,
        fit="fits.clusters.fit_clusters",
        is_chain=True,
        schemes=dbt.config.meta_get("schemes"),
        k_min=dbt.config.meta_get("k_min"),
        k_max=dbt.config.meta_get("k_max"),
        seed=dbt.config.meta_get("seed"),
        pca=dbt.config.meta_get("pca"),
        reselect_models=dbt.config.meta_get("reselect_models"),
    )
