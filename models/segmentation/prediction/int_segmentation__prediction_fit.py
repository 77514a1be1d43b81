from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    targets = dbt.config.meta_get("predictions")
    own = {name: {key: of[key] for key in ("horizon_days", "naive_rule")} for name, of in targets.items()}
    return fit_where_changed(
        session,
        dbt.ref("int_segmentation__prediction_fit_sample"),
        stored=dbt.this,
        fit="fits.predictions.fit_predictions",
        by="target",
        schemes=own,
        features=dbt.config.meta_get("features"),
        seed=dbt.config.meta_get("seed"),
    )
