from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    targets, by_group = dbt.config.meta_get("predictions"), dbt.config.meta_get("group_thresholds")
    return fit_where_changed(
        session,
        dbt.ref("int_marts__prediction_cases"),
        stored=dbt.this,
        fit="fairness.thresholds.fit_thresholds",
        by="target",
        schemes={**dict.fromkeys(targets, {}), **by_group},
    )
