from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_marts__fairness_counts"),
        stored=dbt.this,
        fit="fairness.segments.segment_rates",
        smallest_cell=dbt.config.meta_get("smallest_cell"),
        least_ratio=dbt.config.meta_get("least_ratio"),
    )
