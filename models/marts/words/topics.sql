-- The terms with the largest weights in each topic in force. Terms of fewer customers than var topics.min_customers are
-- excluded, and the writers' names are never terms.

{% set columns = topic_columns() -%}

with fit as (
    select * from {{ ref('int_features__embedding_terms' if topics_are_embedded() else 'int_features__topic_fit') }}
),

tickets as (
    select * from {{ ref('int_facts__tickets') }}
),

ticket_topics as (
    select * from {{ ref('int_features__topics') }}
),

current_period as (
    select
        as_of,
        models_fitted_as_of as fitted_as_of
    from {{ ref('int_periods') }}
    where is_current
),

weights as (
    select
        fit.number,
        fit.feature as term,
        fit.value as weight,
        row_number() over (partition by fit.number order by fit.value desc, fit.feature asc) as rank
    from fit
    inner join current_period on fit.as_of = current_period.fitted_as_of
    where fit.part = 'weight' and fit.value >= 0.01
),

likeness as (
    select
        fit.number,
        fit.value as likeness
    from fit
    inner join current_period on fit.as_of = current_period.fitted_as_of
    where fit.part = 'likeness'
),

keys as (
    {% for column in columns -%}
    select
        {{ loop.index }} as number,
        '{{ column }}' as topic
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

sizes as (
    select
        ticket_topics.main_topic,
        count(*) as tickets
    from ticket_topics
    inner join current_period
        on
            ticket_topics.fitted_as_of = current_period.fitted_as_of
            and ticket_topics.day < current_period.as_of
    group by ticket_topics.main_topic
),

total as (
    select count(*) as tickets
    from tickets
    inner join current_period on tickets.day < current_period.as_of
),

final as (
    select
        -- ids
        keys.topic,
        cast(weights.rank as integer) as rank,

        -- words
        weights.term,

        -- numbers
        weights.weight,
        coalesce(sizes.tickets, 0) as tickets,
        {{ rounded('coalesce(sizes.tickets / cast(total.tickets as double), 0)') }} as ticket_share,
        likeness.likeness,

        -- dates
        current_period.fitted_as_of
    from weights
    inner join keys on weights.number = keys.number
    left join likeness on weights.number = likeness.number
    left join sizes on keys.topic = sizes.main_topic
    cross join current_period
    cross join total
    where weights.rank <= {{ setting('topics').shown_terms }}
)

select * from final
