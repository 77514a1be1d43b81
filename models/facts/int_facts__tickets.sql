-- One row per ticket of an eligible customer, with its sentiment. No words of it.
--
-- Moods are decimals, so that their means have the same last bits in every build.

with tickets as (
    select * from {{ ref('stg_tickets') }}
),

terms as (
    select * from {{ ref('int_facts__ticket_terms') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
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

final as (
    select
        -- ids
        customer_tickets.ticket_key,
        customer_tickets.customer_key,

        -- dates
        customer_tickets.day,

        -- words
        customer_tickets.channel,

        -- numbers
        cast(coalesce(customer_tickets.rated_mood, moods.worded_mood) as decimal(9, 6)) as sentiment
    from customer_tickets
    left join moods on customer_tickets.ticket_key = moods.ticket_key
)

select * from final
