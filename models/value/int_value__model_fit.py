from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_value__model_sample"),
        stored=dbt.this,
        fit="fits.lifetime_value.fit_lifetime_value",
    )
