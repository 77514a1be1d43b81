-- Size and value of every segment as of each period, and what its members at the start did until the next one. Changes
-- compare with the same segment at the previous period, indices with all eligible customers.

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

-- If no session was ever loaded, engagement is unknown; otherwise a member without sessions has 0.
known as (
    select count(*) > 0 as has_sessions from sessions
),

-- Empty segments are listed with 0 if they are defined today; earlier periods may have had others, such as a fourth cluster.
-- The total of all customers is the sum over an exclusive scheme.
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
            when all_segments.segment_key not in (all_segments.scheme || ':prospect', all_segments.scheme || ':returns_only')
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

goals as (
    {% for segment_key, goal in goals.items() -%}
    select
        {{ sql_literal(segment_key) }} as segment_key,
        '{{ goal.kpi }}' as kpi,
        cast({{ goal.change }} as double) as change
    union all
    {% endfor -%}
    select
        cast(null as {{ dbt.type_string() }}) as segment_key,
        cast(null as {{ dbt.type_string() }}) as kpi,
        cast(null as double) as change
    where false
),

compared as (
    select
        {%- for kpi in changing %}
        kpis.{{ kpi }} / nullif(cast(earlier.{{ kpi }} as double), 0) - 1 as {{ kpi }}_change,
        {%- endfor %}
        kpis.*
    from kpis
    left join kpis as earlier
        on
            kpis.previous_as_of = earlier.as_of
            and kpis.segment_key = earlier.segment_key
),

final as (
    select
        -- ids
        compared.as_of as period,
        compared.segment_key,
        compared.scheme,

        -- size
        compared.customers,
        {{ rounded('compared.customer_share') }} as customer_share,
        {{ rounded('compared.buyer_share') }} as buyer_share,

        -- value
        cast(compared.revenue as decimal(18, 2)) as revenue,
        {{ rounded('compared.revenue_share') }} as revenue_share,
        compared.average_order_value,

        -- what the members did next
        cast(compared.period_revenue as decimal(18, 2)) as period_revenue,
        compared.revenue_per_member,
        compared.period_order_value,
        {%- for kpi in ['conversion', 'repeat_rate', 'sessions_per_member', 'response_rate'] %}
        {{ rounded('compared.' ~ kpi) }} as {{ kpi }},
        {%- endfor %}

        -- compared with the previous period and all customers
        {%- for kpi in changing %}
        {{ rounded('compared.' ~ kpi ~ '_change') }} as {{ kpi }}_change,
        {%- endfor %}
        {%- for kpi in changing if kpi not in ['customers', 'period_revenue'] %}
        {{ rounded('100 * compared.' ~ kpi ~ ' / nullif(cast(compared.' ~ kpi ~ '_of_all as double), 0)') }}
            as {{ kpi }}_index,
        {%- endfor %}

        -- goals
        goals.kpi as goal_kpi,
        goals.change as goal_change,
        case goals.kpi
            {%- for kpi in changing %}
            when '{{ kpi }}' then {{ rounded('compared.' ~ kpi ~ '_change / goals.change') }}
            {%- endfor %}
        end as goal_progress
    from compared
    left join goals on compared.segment_key = goals.segment_key
)

select * from final
