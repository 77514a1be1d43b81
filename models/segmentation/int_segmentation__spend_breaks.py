from customer_segmentation.natural_breaks import fit_natural_breaks


def model(dbt, session):
    sample = dbt.ref("int_segmentation__spend_sample").df()
    return fit_natural_breaks(sample, classes=dbt.config.meta_get("classes"))
