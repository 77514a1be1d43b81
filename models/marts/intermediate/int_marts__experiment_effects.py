from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_marts__experiment_aggregates"),
        stored=dbt.this,
        fit="experiments.effects.experiment_effects",
        smallest_cell=dbt.config.meta_get("smallest_cell"),
    )
