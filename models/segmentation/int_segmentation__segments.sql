-- One row per segment, including empty ones: its meaning in words at the newest as_of, and the recommended action.

{% set texts = segment_texts() -%}
{% set no_text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}
{% set in_yaml = rule_segments() + schemes().values() | map(attribute='segments') | sum(start=[]) -%}
{% set of_eligible = schemes().items() | rejectattr('1.of_buyers') | map('first') | list -%}
{% set of_buyers = exclusive_schemes() | reject('in', ['journeys'] + of_eligible) | list -%}

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

cutpoints as (
    {{ cuts_in_force('periods') | indent(4) }}
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

clusters as (
    select
        scheme,
        as_of as fitted_as_of,
        max(case when part = 'key' then name end) as segment,
        max(case when part = 'cluster' then name end) as name,
        max(case when part = 'card' then name end) as card,
        max(case when part = 'limit' then value end) as distance_limit,
        number
    from cluster_fit
    where part in ('key', 'cluster', 'card', 'limit')
    group by scheme, as_of, number
),

-- The seed has cards per trait, because the key of a cluster with that trait varies. The most fitting trait with a card
-- counts.
ranked_traits as (
    select
        cluster_fit.scheme,
        cluster_fit.number,
        cards.segment as trait,
        row_number() over (partition by cluster_fit.scheme, cluster_fit.number order by cluster_fit.value) as position
    from cluster_fit
    inner join cards
        on
            cluster_fit.scheme = cards.scheme
            and cluster_fit.name = cards.segment
    where cluster_fit.part = 'trait'
),

cluster_definitions as (
    select
        clusters.scheme,
        clusters.segment,
        clusters.name,
        clusters.card || ' Fitted as of ' || cast(clusters.fitted_as_of as {{ dbt.type_string() }}) || '.'
            as description,
        coalesce(ranked_traits.trait, case when clusters.segment = 'everyone' then 'everyone' else 'typical' end)
            as card_segment,
        case
            when clusters.segment = 'everyone' and clusters.scheme = 'cluster' then 'all buyers: no clusters were found'
            when clusters.segment = 'everyone' then 'all customers with events: no clusters were found'
            else
                'nearest to the centroid of ' || lower(clusters.name) || ' and within '
                || {{ rounded_text('clusters.distance_limit') }} || ' standard deviations of it'
        end as definition,
        clusters.fitted_as_of
    from clusters
    left join ranked_traits
        on
            clusters.scheme = ranked_traits.scheme
            and clusters.number = ranked_traits.number
            and ranked_traits.position = 1
    union all
    select distinct
        scheme,
        'outlier' as segment,
        {{ no_text }} as name,
        {{ no_text }} as description,
        'outlier' as card_segment,
        'beyond the distance limit of every cluster' as definition,
        fitted_as_of
    from clusters
    where segment <> 'everyone'
),

schemes_of_buyers as (
    {% for scheme in of_buyers -%}
    select '{{ scheme }}' as scheme
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

yaml_definitions as (
    {% for segment in in_yaml -%}
    {% set is_fitted = schemes()[segment.scheme].is_fitted if segment.scheme != 'rule'
        else segment.conditions | selectattr('cut_column', 'defined') | list -%}
    select
        '{{ segment.scheme }}' as scheme,
        '{{ segment.segment }}' as segment,
        {%- for text in texts %}
        {{ sql_literal(segment[text]) if segment[text] else no_text }} as {{ text }},
        {%- endfor %}
        {{ definition_sql(segment) | indent(8) }} as definition,
        {{ 'cutpoints_fitted_as_of' if is_fitted else 'cast(null as date)' }} as fitted_as_of
    from cutpoints
    union all
    {% endfor -%}
    {% for name, scheme in schemes().items() if scheme.attribute -%}
    select distinct
        '{{ name }}' as scheme,
        {{ name }} as segment,
        {%- for text in texts %}
        {{ sql_literal(scheme.texts[text]) if scheme.texts[text] else no_text }} as {{ text }},
        {%- endfor %}
        '{{ scheme.attribute | replace("_", " ") }}: ' || {{ name }} as definition,
        cast(null as date) as fitted_as_of
    from customers
    where
        {{ name }} not in (
            {%- for segment in non_buyer_segments() | list + scheme.segments | map(attribute='segment') | list %}
            {{ sql_literal(segment) }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
    union all
    {% endfor -%}
    -- Every scheme restricted to buyers has these segments.
    {% for segment, words in non_buyer_segments().items() -%}
    select
        scheme,
        '{{ segment }}' as segment,
        {%- for text in texts %}
        {{ sql_literal(words[text]) if text in words else no_text }} as {{ text }},
        {%- endfor %}
        '{{ words.definition }}' as definition,
        cast(null as date) as fitted_as_of
    from schemes_of_buyers
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

definitions as (
    select
        scheme,
        segment,
        definition,
        fitted_as_of
    from fitted_definitions
    {% for found in ['cluster_definitions', 'yaml_definitions'] -%}
    union all
    select
        scheme,
        segment,
        definition,
        fitted_as_of
    from {{ found }}
    {% endfor %}
),

segments as (
    select
        definitions.scheme || ':' || definitions.segment as segment_key,
        definitions.scheme,
        definitions.segment,
        coalesce(
            yaml_definitions.name,
            cluster_definitions.name,
            fitted_definitions.name,
            cards.name,
            upper(substr(definitions.segment, 1, 1)) || replace(substr(definitions.segment, 2), '_', ' ')
        ) as name,
        definitions.definition,
        coalesce(
            yaml_definitions.description,
            cluster_definitions.description,
            cards.description
            || case
                when cards.recency is null then '' else ', ' || coalesce(fitted_definitions.recency, cards.recency)
            end
        ) as description,
        {%- for text in ['owner', 'recommended_action', 'channel', 'offer'] %}
        coalesce(yaml_definitions.{{ text }}, cards.{{ text }}) as {{ text }},
        {%- endfor %}
        definitions.scheme <> 'rule' as is_exclusive,
        definitions.fitted_as_of,
        periods.as_of
    from definitions
    cross join periods
    left join fitted_definitions
        on definitions.scheme = fitted_definitions.scheme and definitions.segment = fitted_definitions.segment
    left join cluster_definitions
        on definitions.scheme = cluster_definitions.scheme and definitions.segment = cluster_definitions.segment
    left join cards
        on
            definitions.scheme = cards.scheme
            and cards.segment = coalesce(
                cluster_definitions.card_segment, fitted_definitions.card_segment, definitions.segment
            )
    left join yaml_definitions
        on definitions.scheme = yaml_definitions.scheme and definitions.segment = yaml_definitions.segment
)

select * from segments
