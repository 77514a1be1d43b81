from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_features__embedding_sample"),
        stored=dbt.this,
        fit="fits.embedding_topics.fit_embedding_topics",
        is_chain=True,
        count=dbt.config.meta_get("count"),
        seed=dbt.config.meta_get("seed"),
    )
