{% set columns = topic_columns() -%}

with tickets as (
    select * from {{ ref('int_features__topics') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

current_period as (
    select
        as_of,
        models_fitted_as_of as fitted_as_of
    from {{ ref('int_periods') }}
    where is_current
),

shares as (
    select
        tickets.customer_key,
        current_period.as_of,
        {%- for column in columns %}
        {{ mean('tickets.' ~ column) }} as {{ column }},
        {%- endfor %}
        count(*) as tickets
    from tickets
    inner join current_period
        on
            tickets.fitted_as_of = current_period.fitted_as_of
            and tickets.day < current_period.as_of
    group by tickets.customer_key, current_period.as_of
),

customer_topics as (
    {% for column in columns -%}
    select
        customer_key,
        as_of,
        '{{ column }}' as topic,
        {{ column }} as share,
        tickets
    from shares
    where {{ column }} > 0
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        -- ids
        customers.customer_id,
        customer_topics.topic,
        customer_topics.as_of,

        -- numbers
        {{ rounded('customer_topics.share') }} as share,
        customer_topics.tickets
    from customer_topics
    inner join customers
        on
            customer_topics.as_of = customers.as_of
            and customer_topics.customer_key = customers.customer_key
)

select * from final
