-- One row per refit date and ticket of an eligible customer, with its topics as fitted then and its sentiment. No words of it.
--
-- A ticket's coordinate on a topic is the sum of its terms' counts times their idf times their weights in the topic. Its
-- share is the square of it over the sum of the squares: topics are orthogonal, so shares add up to 1. Where that sum
-- is less than 1% of the ticket's own squared length, the topics do not explain it. Shares and sentiments are decimals, so
-- that their means have the same last bits in every build.

{% set columns = topic_columns() -%}

with tickets as (
    select * from {{ ref('stg_tickets') }}
),

terms as (
    select * from {{ ref('int_facts__ticket_terms') }}
),

fit as (
    select * from {{ ref('int_features__topic_fit') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

refit_dates as (
    select distinct models_fitted_as_of as fitted_as_of
    from {{ ref('int_periods') }}
),

customer_tickets as (
    select
        {{ compact_key(hashed_id(['tickets.source_system', 'tickets.ticket_id'])) }} as ticket_key,
        customer_references.customer_key,
        tickets.opened_on as day,
        tickets.channel,
        case tickets.channel
            {%- for channel, scale in setting('rating_scales').items() %}
            when '{{ channel }}'
                then
                    case
                        when tickets.rating between {{ scale | min }} and {{ scale | max }}
                            then (2.0 * tickets.rating - {{ scale[0] + scale[1] }}) / {{ scale[1] - scale[0] }}
                    end
            {%- endfor %}
        end as rated_mood
    from tickets
    inner join customer_references
        on
            tickets.source_system = customer_references.source_system
            and tickets.customer_ref = customer_references.customer_ref
    where tickets.opened_on is not null
),

moods as (
    select
        ticket_key,
        sum(case kind when 'positive' then occurrences when 'negative' then -occurrences end)
        / cast(sum(occurrences) as double) as worded_mood
    from terms
    where kind is not null
    group by ticket_key
),

term_weights as (
    select
        as_of as fitted_as_of,
        feature as term,
        {%- for column in columns %}
        max(case when part = 'weight' and number = {{ loop.index }} then value end) as {{ column }},
        {%- endfor %}
        max(case when part = 'idf' then value end) as idf
    from fit
    where part in ('idf', 'weight')
    group by as_of, feature
),

coordinates as (
    select
        term_weights.fitted_as_of,
        terms.ticket_key,
        {%- for column in columns %}
        coalesce(sum(terms.occurrences * term_weights.idf * term_weights.{{ column }}), 0) as {{ column }},
        {%- endfor %}
        sum(power(terms.occurrences * term_weights.idf, 2)) as squared_length
    from terms
    inner join term_weights on terms.term = term_weights.term
    group by term_weights.fitted_as_of, terms.ticket_key
),

explained as (
    select
        *,
        0
        {%- for column in columns %}
        + power({{ column }}, 2)
        {%- endfor %} as explained_length
    from coordinates
),

topics as (
    select
        fitted_as_of,
        {%- for column in columns %}
        cast(power({{ column }}, 2) / explained_length as decimal(9, 6)) as {{ column }},
        {%- endfor %}
        ticket_key
    from explained
    where explained_length >= 0.01 * squared_length
),

final as (
    select
        -- ids
        refit_dates.fitted_as_of,
        customer_tickets.ticket_key,
        customer_tickets.customer_key,

        -- dates
        customer_tickets.day,

        -- words
        customer_tickets.channel,
        case greatest({{ columns | join(', ') }})
            {%- for column in columns %}
            when topics.{{ column }} then '{{ column }}'
            {%- endfor %}
        end as main_topic,

        -- numbers
        {%- for column in columns %}
        topics.{{ column }},
        {%- endfor %}
        cast(coalesce(customer_tickets.rated_mood, moods.worded_mood) as decimal(9, 6)) as sentiment
    from customer_tickets
    cross join refit_dates
    left join moods on customer_tickets.ticket_key = moods.ticket_key
    left join topics
        on
            customer_tickets.ticket_key = topics.ticket_key
            and refit_dates.fitted_as_of = topics.fitted_as_of
)

select * from final
