-- One row per refit date and ticket that the topics fitted then say something about, with its share of each topic, whichever
-- method of var topics they come from.

{% set columns = topic_columns() -%}
{% set method = 'embeddings' if topics_are_embedded() else 'terms' -%}

with tickets as (
    select * from {{ ref('int_facts__tickets') }}
),

shares as (
    select * from {{ ref('int_features__topics_by_' ~ method) }}
),

final as (
    select
        -- ids
        shares.fitted_as_of,
        tickets.ticket_key,
        tickets.customer_key,

        -- dates
        tickets.day,

        -- words
        tickets.channel,
        case greatest({{ columns | join(', ') }})
            {%- for column in columns %}
            when shares.{{ column }} then '{{ column }}'
            {%- endfor %}
        end as main_topic,

        -- numbers
        {%- for column in columns + component_columns() %}
        shares.{{ column }},
        {%- endfor %}
        tickets.sentiment
    from shares
    inner join tickets on shares.ticket_key = tickets.ticket_key
)

select * from final
