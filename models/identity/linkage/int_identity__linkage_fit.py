from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_identity__linkage_sample"),
        stored=dbt.this,
        fit="identity.linkage.fit_linkage",
        comparisons=dbt.config.meta_get("comparisons"),
        seed=dbt.config.meta_get("seed"),
    )
