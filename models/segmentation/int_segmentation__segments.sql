-- One row per segment, also those nobody is in: what it means in words at the newest as_of, and what to do.

{% set words = ['name', 'description', 'owner', 'recommended_action', 'channel', 'offer'] -%}
{% set no_text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}

with cards as (
    select * from {{ ref('segment_cards') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

fitted_definitions as (
    select * from {{ ref('int_segmentation__fitted_definitions') }}
),

customers as (
    select scored.*
    from {{ ref('int_segmentation__customers_scored') }} as scored
    inner join periods on scored.as_of = periods.as_of
),

cluster_fit as (
    select fit.*
    from {{ ref('int_segmentation__cluster_fit') }} as fit
    inner join periods on fit.as_of = periods.models_fitted_as_of
),

fixed_definitions as (
    {% for segment in fixed_definitions() -%}
    select
        '{{ segment.scheme }}' as scheme,
        '{{ segment.segment }}' as segment,
        '{{ segment.definition }}' as definition
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

demographic_definitions as (
    select distinct
        'demographic' as scheme,
        demographic as segment,
        '{{ demographic_attribute() | replace("_", " ") }}: ' || demographic as definition
    from customers
    where demographic <> 'prospect'
),

clusters as (
    select
        scheme,
        as_of as fitted_as_of,
        max(case when part = 'key' then name end) as segment,
        max(case when part = 'cluster' then name end) as name,
        max(case when part = 'card' then name end) as card,
        max(case when part = 'trait' then name end) as trait,
        max(case when part = 'limit' then value end) as distance_limit
    from cluster_fit
    where part in ('key', 'cluster', 'card', 'trait', 'limit')
    group by scheme, as_of, number
),

cluster_definitions as (
    select
        scheme,
        segment,
        name,
        card || ' Fitted as of ' || cast(fitted_as_of as {{ dbt.type_string() }}) || '.' as description,
        -- The seed has one action for each trait, whatever the cluster that has it is called this time.
        coalesce(trait, segment) as card_segment,
        case
            when segment = 'everyone' and scheme = 'cluster' then 'all buyers: no clusters were found'
            when segment = 'everyone' then 'all who have moved: no clusters were found'
            else
                'nearest to the centre of ' || lower(name) || ' and at most '
                || cast(round(distance_limit, 2) as {{ dbt.type_string() }}) || ' standard deviations from it'
        end as definition,
        fitted_as_of
    from clusters
    union all
    select distinct
        scheme,
        'outlier' as segment,
        {{ no_text }} as name,
        {{ no_text }} as description,
        'outlier' as card_segment,
        'farther from the centre of every cluster than its limit' as definition,
        fitted_as_of
    from clusters
    where segment <> 'everyone'
),

rules as (
    {% for segment in rule_segments() -%}
    select
        'rule' as scheme,
        '{{ segment.key }}' as segment,
        {%- for field in words %}
        {{ sql_literal(segment[field]) if segment[field] is not none else no_text }} as {{ field }},
        {%- endfor %}
        {{ sql_literal(segment.definition) }} as definition
    union all
    {% endfor -%}
    -- so that no rule at all is valid
    select
        'rule' as scheme,
        {{ no_text }} as segment,
        {%- for field in words %}
        {{ no_text }} as {{ field }},
        {%- endfor %}
        {{ no_text }} as definition
    where false
),

definitions as (
    select
        scheme,
        segment,
        definition,
        fitted_as_of
    from fitted_definitions
    union all
    select
        scheme,
        segment,
        definition,
        fitted_as_of
    from cluster_definitions
    {% for fixed in ['fixed_definitions', 'demographic_definitions', 'rules'] -%}
    union all
    select
        scheme,
        segment,
        definition,
        cast(null as date) as fitted_as_of
    from {{ fixed }}
    {% endfor %}
),

segments as (
    select
        definitions.scheme || ':' || definitions.segment as segment_key,
        definitions.scheme,
        definitions.segment,
        coalesce(
            rules.name,
            cluster_definitions.name,
            cards.name,
            case when definitions.segment = 'prospect' then 'Prospects' end,
            {{ capitalised("replace(definitions.segment, '_', ' ')") }}
        ) as name,
        definitions.definition,
        coalesce(
            rules.description,
            cluster_definitions.description,
            cards.description,
            case when definitions.segment = 'prospect' then 'Known, but without a completed order' end,
            definitions.definition
        ) as description,
        rules.owner,
        coalesce(rules.recommended_action, cards.recommended_action) as recommended_action,
        coalesce(rules.channel, cards.channel) as channel,
        coalesce(rules.offer, cards.offer) as offer,
        definitions.scheme <> 'rule' as is_exclusive,
        definitions.fitted_as_of,
        periods.as_of
    from definitions
    cross join periods
    left join cluster_definitions
        on definitions.scheme = cluster_definitions.scheme and definitions.segment = cluster_definitions.segment
    left join cards
        on
            definitions.scheme = cards.scheme
            and coalesce(cluster_definitions.card_segment, definitions.segment) = cards.segment
    left join rules
        on definitions.scheme = rules.scheme and definitions.segment = rules.segment
)

select * from segments
