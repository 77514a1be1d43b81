from customer_segmentation.fits.embeddings import embed_where_new


def model(dbt, session):
    return embed_where_new(
        session,
        dbt.ref("int_facts__ticket_texts"),
        stored=dbt.this,
        folder=dbt.config.meta_get("folder"),
    )
