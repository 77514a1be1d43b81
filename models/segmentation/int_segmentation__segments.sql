-- One row per segment, also those nobody is in: what it means in words, with the limits in force at the newest as_of.

with cards as (
    select * from {{ ref('segment_cards') }}
),

rfm_labels as (
    select * from {{ ref('rfm_labels') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

cutpoints as (
    select cutpoints.*
    from {{ ref('int_segmentation__cutpoints') }} as cutpoints
    inner join periods on cutpoints.fitted_as_of = periods.cutpoints_fitted_as_of
),

spend_breaks as (
    select spend_breaks.*
    from {{ ref('int_segmentation__spend_breaks') }} as spend_breaks
    inner join periods on spend_breaks.as_of = periods.cutpoints_fitted_as_of
),

cluster_fit as (
    select cluster_fit.*
    from {{ ref('int_segmentation__cluster_fit') }} as cluster_fit
    inner join periods on cluster_fit.as_of = periods.models_fitted_as_of
),

customers as (
    select customers.*
    from {{ ref('int_segmentation__customers') }} as customers
    inner join periods on customers.as_of = periods.as_of
),

-- One row with the limits, so that an empty fit still lists the segments.
limits as (
    select
        {%- for metric in ['recency', 'frequency'] %}
        {%- for cut in range(1, 6) %}
        max(case when scheme = 'rfm' and metric = '{{ metric }}' and cut_number = {{ cut }} then cast(cut_value as bigint) end) as {{ metric }}_{{ cut }},
        {%- endfor %}
        max(case when scheme = 'rfm' and metric = '{{ metric }}' then status end) as {{ metric }}_status,
        {%- endfor %}
        max(case when scheme = 'value_tier' and cut_number = 1 then cut_value end) as medium_from,
        max(case when scheme = 'value_tier' and cut_number = 2 then cut_value end) as high_from,
        max(fitted_as_of) as fitted_as_of
    from cutpoints
),

-- Each label is a rectangle of scores.
rfm_rectangles as (
    select
        segment,
        min(recency_score) as lowest_recency,
        max(recency_score) + 1 as recency_out,
        min(frequency_score) as lowest_frequency,
        max(frequency_score) + 1 as frequency_out
    from rfm_labels
    group by segment
),

rfm_limits as (
    select
        rfm_rectangles.segment,
        limits.fitted_as_of,
        limits.recency_status,
        limits.frequency_status,
        {{ limit_of_score('rfm_rectangles.lowest_recency', 'limits.recency', 'desc') | indent(8) }} as most_days,
        {{ limit_of_score('rfm_rectangles.recency_out', 'limits.recency', 'desc') | indent(8) }} + 1 as fewest_days,
        {{ limit_of_score('rfm_rectangles.lowest_frequency', 'limits.frequency', 'asc') | indent(8) }} as fewest_orders,
        {{ limit_of_score('rfm_rectangles.frequency_out', 'limits.frequency', 'asc') | indent(8) }} - 1 as most_orders
    from rfm_rectangles
    cross join limits
),

rfm_segments as (
    select
        'rfm' as scheme,
        segment,
        case
            when fitted_as_of is null then 'no buyers to rank'
            when recency_status = 'one_value' or frequency_status = 'one_value'
                then 'all buyers alike in recency or frequency: scored 3 there'
            else
                case
                    when fewest_days is null then 'last order at most ' || {{ counted('most_days', 'day') }} || ' ago'
                    when most_days is null then 'last order at least ' || {{ counted('fewest_days', 'day') }} || ' ago'
                    when fewest_days > most_days then 'no recency in between'
                    else 'last order ' || fewest_days || ' to ' || {{ counted('most_days', 'day') }} || ' ago'
                end
                || ' and '
                || case
                    when most_orders is null then 'at least ' || {{ counted('fewest_orders', 'order') }}
                    when fewest_orders is null then 'at most ' || {{ counted('most_orders', 'order') }}
                    when fewest_orders > most_orders then 'no number of orders in between'
                    else fewest_orders || ' to ' || {{ counted('most_orders', 'order') }}
                end
        end as definition,
        fitted_as_of
    from rfm_limits
),

value_tier_segments as (
    select
        'value_tier' as scheme,
        cards.segment,
        case cards.segment
            when 'none' then 'buyers without revenue above 0 in the last 365 days'
            when 'high' then 'revenue in the last 365 days of at least ' || coalesce({{ money_words('limits.high_from') }}, 'a limit not yet known')
            when 'medium' then 'revenue in the last 365 days of at least ' || coalesce({{ money_words('limits.medium_from') }}, 'a limit not yet known') || ' and below the limit of high'
            else 'revenue in the last 365 days above 0 and below the limit of medium'
        end as definition,
        limits.fitted_as_of
    from cards
    cross join limits
    where cards.scheme = 'value_tier'
),

spend_break_limits as (
    select
        numbers.cut_number as band,
        max(case when spend_breaks.cut_number = numbers.cut_number - 1 then spend_breaks.cut_value end) as lower_bound,
        max(case when spend_breaks.cut_number = numbers.cut_number then spend_breaks.cut_value end) as upper_bound,
        max(spend_breaks.as_of) as fitted_as_of
    from (
        {%- for band in range(1, var('spend_breaks') + 1) %}
        select {{ band }} as cut_number{{ ' union all' if not loop.last }}
        {%- endfor %}
    ) as numbers
    left join spend_breaks on true
    group by numbers.cut_number
),

spend_break_segments as (
    select
        'spend_breaks' as scheme,
        'band_' || band as segment,
        case
            when lower_bound is null and upper_bound is null then case when band = 1 then 'all buyers' else 'not in use: too few different amounts' end
            when lower_bound is null then 'lifetime revenue of at most ' || {{ money_words('upper_bound') }}
            when upper_bound is null then 'lifetime revenue above ' || {{ money_words('lower_bound') }}
            else 'lifetime revenue above ' || {{ money_words('lower_bound') }} || ' and at most ' || {{ money_words('upper_bound') }}
        end as definition,
        fitted_as_of
    from spend_break_limits
),

fixed_segments as (
    {% set limits = spend_limits() -%}
    {% for limit in limits -%}
    {% set next = limits[loop.index] if not loop.last else none -%}
    select
        'spend_limits' as scheme,
        '{{ limit.segment }}' as segment,
        'lifetime revenue{{ ' of at least ' ~ limit.from if limit.from is not none }}{{ ' below ' ~ next.from if next }}' as definition
    union all
    {% endfor -%}
    {% set frequent = var('frequent_from_orders') -%}
    {% for segment, definition in {
        'frequent': 'at least ' ~ frequent ~ ' orders in the last 365 days',
        'occasional': '1 to ' ~ (frequent - 1) ~ ' orders in the last 365 days',
        'inactive': 'no order in the last 365 days',
    }.items() -%}
    select
        'purchase_rhythm' as scheme,
        '{{ segment }}' as segment,
        '{{ definition }}' as definition
    union all
    {% endfor -%}
    {% set days = var('lifecycle_days') -%}
    {% for segment, definition in {
        'new': 'first order at most ' ~ days.new ~ ' days ago',
        'returning': 'not new, last order at most ' ~ days.active ~ ' days ago, after a gap of more than ' ~ days.gap ~ ' days',
        'active': 'neither new nor returning, last order at most ' ~ days.active ~ ' days ago',
        'lapsing': 'not new, last order ' ~ (days.active + 1) ~ ' to ' ~ days.lapsed ~ ' days ago',
        'lapsed': 'last order more than ' ~ days.lapsed ~ ' days ago',
    }.items() -%}
    select
        'lifecycle' as scheme,
        '{{ segment }}' as segment,
        '{{ definition }}' as definition
    union all
    {% endfor -%}
    {% for scheme in exclusive_schemes() -%}
    select
        '{{ scheme }}' as scheme,
        'prospect' as segment,
        'no completed order before as_of' as definition
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

demographic_segments as (
    select distinct
        'demographic' as scheme,
        demographic as segment,
        '{{ var("demographic_attribute") | replace("_", " ") }}: ' || demographic as definition
    from customers
    where demographic <> 'prospect'
),

cluster_segments as (
    select
        'cluster' as scheme,
        case when models.name = 'none' then 'everyone' else {{ cluster_key_sql('clusters.number') }} end as segment,
        clusters.name as persona,
        case
            when models.name = 'none' then 'all buyers: no clusters were found'
            else 'nearest to the centre of ' || clusters.name
        end as definition,
        models.as_of as fitted_as_of
    from cluster_fit as clusters
    inner join cluster_fit as models on clusters.as_of = models.as_of and models.part = 'model'
    where clusters.part = 'cluster'
),

rule_segments as (
    {% for segment in rule_segments() -%}
    select
        'rule' as scheme,
        '{{ segment.key }}' as segment,
        {{ sql_literal(segment.definition) }} as definition,
        {%- for field in ['name', 'description', 'owner', 'recommended_action', 'channel', 'offer'] %}
        {{ sql_literal(segment[field]) if segment[field] is not none else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as {{ field }}{{ ',' if not loop.last }}
        {%- endfor %}
    union all
    {% endfor -%}
    select
        'rule' as scheme,
        cast(null as {{ dbt.type_string() }}) as segment,
        cast(null as {{ dbt.type_string() }}) as definition
        {%- for field in ['name', 'description', 'owner', 'recommended_action', 'channel', 'offer'] %},
        cast(null as {{ dbt.type_string() }}) as {{ field }}
        {%- endfor %}
    where false
),

segments as (
    select scheme, segment, definition, fitted_as_of, cast(null as {{ dbt.type_string() }}) as persona from rfm_segments
    union all
    select scheme, segment, definition, fitted_as_of, null as persona from value_tier_segments
    union all
    select scheme, segment, definition, fitted_as_of, null as persona from spend_break_segments
    union all
    select scheme, segment, definition, null as fitted_as_of, null as persona from fixed_segments
    union all
    select scheme, segment, definition, null as fitted_as_of, null as persona from demographic_segments
    union all
    select scheme, segment, definition, fitted_as_of, persona from cluster_segments
    union all
    select scheme, segment, definition, null as fitted_as_of, null as persona from rule_segments
),

described as (
    select
        segments.scheme || ':' || segments.segment as segment_key,
        segments.scheme,
        segments.segment,
        coalesce(
            rule_segments.name,
            cards.name,
            segments.persona,
            case when segments.segment = 'prospect' then 'Prospects' end,
            {{ capitalised("replace(segments.segment, '_', ' ')") }}
        ) as name,
        segments.definition,
        coalesce(
            rule_segments.description,
            cards.description,
            case when segments.segment = 'prospect' then 'Known, but without a completed order' end,
            segments.definition
        ) as description,
        rule_segments.owner,
        coalesce(rule_segments.recommended_action, cards.recommended_action) as recommended_action,
        coalesce(rule_segments.channel, cards.channel) as channel,
        coalesce(rule_segments.offer, cards.offer) as offer,
        segments.scheme <> 'rule' as is_exclusive,
        segments.fitted_as_of,
        periods.as_of
    from segments
    cross join periods
    left join cards
        on segments.scheme = cards.scheme and segments.segment = cards.segment
    left join rule_segments
        on segments.scheme = rule_segments.scheme and segments.segment = rule_segments.segment
)

select * from described
