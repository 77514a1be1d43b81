-- Size and value of every segment as of each period, and what those who were members at its start did until the next one.
-- A change is against the same segment at the period before, an index against everyone.

{% set goals = segment_goals() -%}
{% set changing = kpis_with_change() -%}

with sizes as (
    select * from {{ ref('int_marts__segment_sums') }}
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

sessions as (
    select * from {{ ref('int_facts__sessions') }}
),

-- Without any session nothing is known of engagement; with some, a member without one has 0.
known as (
    select count(*) > 0 as has_sessions from sessions
),

-- Today's segments are listed with 0 where nobody is in them; earlier periods may have had others, such as a fourth
-- cluster. Everyone is the sum of the segments of an exclusive scheme.
all_segments as (
    select
        periods.as_of,
        segments.segment_key,
        segments.scheme
    from periods
    cross join segments
    union distinct
    select
        as_of,
        segment_key,
        scheme
    from sizes
),

everyone as (
    select
        {%- for column in [
            'customers', 'buyers', 'revenue', 'orders', 'period_revenue', 'period_orders', 'converted', 'repeated',
            'sessions', 'contacted', 'responded'
        ] %}
        sum({{ column }}) as {{ column }},
        {%- endfor %}
        as_of
    from sizes
    where scheme = '{{ exclusive_schemes() | first }}'
    group by as_of
),

kpis as (
    select
        all_segments.as_of,
        all_segments.segment_key,
        all_segments.scheme,
        periods.previous_as_of,
        coalesce(sizes.customers, 0) as customers,
        coalesce(sizes.customers, 0) / nullif(cast(everyone.customers as double), 0) as customer_share,
        case
            when all_segments.segment_key <> all_segments.scheme || ':prospect'
                then coalesce(sizes.customers, 0) / nullif(cast(everyone.buyers as double), 0)
        end as buyer_share,
        coalesce(sizes.revenue, 0) as revenue,
        coalesce(sizes.revenue, 0) / nullif(cast(everyone.revenue as double), 0) as revenue_share,
        {{ money_mean('sizes.revenue', 'sizes.orders') }} as average_order_value,
        case when not periods.is_current then coalesce(sizes.period_revenue, 0) end as period_revenue,
        {%- for whose in ['sizes', 'everyone'] %}
        {%- set of_all = '_of_all' if whose == 'everyone' else '' %}
        {%- set members = 'nullif(cast(' ~ whose ~ '.customers as double), 0)' %}
        {%- for kpi, figure in {
            'revenue_per_member': money_mean('coalesce(' ~ whose ~ '.period_revenue, 0)', whose ~ '.customers'),
            'period_order_value': money_mean(whose ~ '.period_revenue', whose ~ '.period_orders'),
            'conversion': whose ~ '.converted / ' ~ members,
            'repeat_rate': whose ~ '.repeated / ' ~ members,
            'sessions_per_member': 'case when known.has_sessions then ' ~ whose ~ '.sessions / ' ~ members ~ ' end',
            'response_rate': whose ~ '.responded / nullif(cast(' ~ whose ~ '.contacted as double), 0)',
        }.items() %}
        case when not periods.is_current then {{ figure }} end as {{ kpi }}{{ of_all }},
        {%- endfor %}
        {%- endfor %}
        periods.is_current
    from all_segments
    inner join periods on all_segments.as_of = periods.as_of
    cross join known
    left join sizes
        on
            all_segments.as_of = sizes.as_of
            and all_segments.segment_key = sizes.segment_key
    left join everyone on all_segments.as_of = everyone.as_of
),

final as (
    select
        -- ids
        kpis.as_of as period,
        kpis.segment_key,
        kpis.scheme,

        -- size
        kpis.customers,
        {{ rounded('kpis.customer_share') }} as customer_share,
        {{ rounded('kpis.buyer_share') }} as buyer_share,

        -- value
        cast(kpis.revenue as decimal(18, 2)) as revenue,
        {{ rounded('kpis.revenue_share') }} as revenue_share,
        kpis.average_order_value,

        -- what the members did next
        cast(kpis.period_revenue as decimal(18, 2)) as period_revenue,
        kpis.revenue_per_member,
        kpis.period_order_value,
        {%- for kpi in ['conversion', 'repeat_rate', 'sessions_per_member', 'response_rate'] %}
        {{ rounded('kpis.' ~ kpi) }} as {{ kpi }},
        {%- endfor %}

        -- against the period before, and against everyone
        {%- for kpi in changing %}
        {{ rounded(kpi_change(kpi)) }} as {{ kpi }}_change,
        {%- endfor %}
        {%- for kpi in changing if kpi not in ['customers', 'period_revenue'] %}
        {{ rounded('100 * kpis.' ~ kpi ~ ' / nullif(cast(kpis.' ~ kpi ~ '_of_all as double), 0)') }} as {{ kpi }}_index,
        {%- endfor %}

        -- goals
        {{ goal_case(goals, 'kpi') }} as goal_kpi,
        {{ goal_case(goals, 'change') }} as goal_change,
        {{ rounded(goal_case(goals, 'progress')) }} as goal_progress
    from kpis
    left join kpis as earlier
        on
            kpis.previous_as_of = earlier.as_of
            and kpis.segment_key = earlier.segment_key
)

select * from final
