from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_segmentation__spend_sample"),
        stored=dbt.this,
        fit="fits.natural_breaks.fit_natural_breaks",
        classes=dbt.config.meta_get("classes"),
    )
