from customer_segmentation.fits.stored_fits import fit_where_changed


def model(dbt, session):
    return fit_where_changed(
        session,
        dbt.ref("int_features__topic_sample"),
        stored=dbt.this,
        fit="fits.topics.fit_topics",
        is_chain=True,
        count=dbt.config.meta_get("count"),
        min_customers=dbt.config.meta_get("min_customers"),
        max_ticket_share=dbt.config.meta_get("max_ticket_share"),
        max_terms=dbt.config.meta_get("max_terms"),
        seed=dbt.config.meta_get("seed"),
    )
