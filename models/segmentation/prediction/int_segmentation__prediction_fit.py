from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    targets = dbt.config.meta_get("predictions")
    return fit_where_changed(
        session,
        dbt.ref("int_segmentation__prediction_fit_sample"),
        stored=dbt.this,
        fit="fits.predictions.fit_predictions",
        by="target",
        schemes={k: {"naive_rule": v["naive_rule"], "horizon_days": v["horizon_days"]} for k, v in targets.items()},
        features=dbt.config.meta_get("features"),
        xgboost=dbt.config.meta_get("xgboost"),
        seed=dbt.config.meta_get("seed"),
    )
