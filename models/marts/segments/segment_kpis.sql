-- Size and value of every segment as of each period, and what its members at the start did until the next one. Changes
-- compare with the same segment at the previous period over as many days as both have, indices with all eligible customers.
-- Example: of a January and a February without a difference, January has a tenth more revenue; its first 28 days have not.

{% set goals = [] -%}
{% for segment_key, goal in segment_goals().items() -%}
{% do goals.append([segment_key, goal.kpi, goal.change]) -%}
{% endfor -%}
{% set changing = kpis_with_change() -%}

with segment_sums as (
    select * from {{ ref('int_marts__segment_sums') }}
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

spans as (
    select * from {{ ref('int_periods__spans') }}
),

sessions as (
    select * from {{ ref('int_facts__sessions') }}
),

-- If no session was ever loaded, engagement is unknown; otherwise a member without sessions has 0.
known as (
    select count(*) > 0 as has_sessions from sessions
),

-- The total of all customers is the sum over an exclusive scheme.
sums as (
    {% set columns = [
        'customers', 'buyers', 'revenue', 'orders', 'period_revenue', 'period_orders', 'converted', 'repeated',
        'sessions', 'contacted', 'responded'
    ] -%}
    select
        as_of,
        days,
        scheme,
        segment_key,
        {{ columns | join(',\n        ') }}
    from segment_sums
    union all
    select
        as_of,
        days,
        'all' as scheme,
        'all' as segment_key,
        sum({{ columns | join('),\n        sum(') }})
    from segment_sums
    where scheme = '{{ exclusive_schemes() | first }}'
    group by as_of, days
),

-- Empty segments are listed with 0 if they are defined today; earlier periods may have had others, such as a fourth cluster.
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
    from sums
),

kpis as (
    {% set members = 'nullif(cast(sums.customers as double), 0)' -%}
    select
        spans.as_of,
        spans.days,
        all_segments.segment_key,
        all_segments.scheme,
        coalesce(sums.customers, 0) as customers,
        coalesce(sums.buyers, 0) as buyers,
        coalesce(sums.revenue, 0) as revenue,
        {{ money_mean('sums.revenue', 'sums.orders') }} as average_order_value,
        {%- for kpi, figure in {
            'period_revenue': 'coalesce(sums.period_revenue, 0)',
            'revenue_per_member': money_mean('coalesce(sums.period_revenue, 0)', 'sums.customers'),
            'period_order_value': money_mean('sums.period_revenue', 'sums.period_orders'),
            'conversion': 'sums.converted / ' ~ members,
            'repeat_rate': 'sums.repeated / ' ~ members,
            'sessions_per_member': 'case when known.has_sessions then sums.sessions / ' ~ members ~ ' end',
            'contacted': 'coalesce(sums.contacted, 0)',
            'responded': 'coalesce(sums.responded, 0)',
            'response_rate': 'sums.responded / nullif(cast(sums.contacted as double), 0)',
        }.items() %}
        case when spans.days > 0 then {{ figure }} end as {{ kpi }},
        {%- endfor %}
        spans.is_all_days
    from spans
    inner join all_segments on spans.as_of = all_segments.as_of
    cross join known
    left join sums
        on
            spans.as_of = sums.as_of
            and spans.days = sums.days
            and all_segments.segment_key = sums.segment_key
),

goals as (
    {{ inline_rows({'segment_key': 'string', 'kpi': 'string', 'change': 'double'}, goals) | indent(4) }}
),

changes as (
    select
        {%- for kpi in changing %}
        kpis.{{ kpi }} / nullif(cast(earlier.{{ kpi }} as double), 0) - 1 as {{ kpi }}_change,
        {%- endfor %}
        kpis.as_of,
        kpis.segment_key
    from kpis
    inner join periods on kpis.as_of = periods.as_of and kpis.days = periods.compared_days
    inner join kpis as earlier
        on
            periods.previous_as_of = earlier.as_of
            and periods.compared_days = earlier.days
            and kpis.segment_key = earlier.segment_key
),

dated_periods as (
    select
        *,
        lag(days) over (order by as_of) as previous_days,
        coalesce(as_of = max(case when is_whole then as_of end) over (), false) as is_last_whole
    from periods
),

final as (
    select
        -- ids
        kpis.as_of as period,
        kpis.segment_key,
        kpis.scheme,

        -- length of the period
        cast(dated_periods.days as {{ dbt.type_bigint() }}) as days,
        dated_periods.is_whole,
        dated_periods.is_last_whole,

        -- size
        cast(kpis.customers as bigint) as customers,
        cast(kpis.buyers as bigint) as buyers,
        {{ rounded("kpis.customers / nullif(cast(everyone.customers as double), 0)") }} as customer_share,
        case
            when {{ is_of_buyers('kpis') }}
                then {{ rounded("kpis.customers / nullif(cast(everyone.buyers as double), 0)") }}
        end as buyer_share,

        -- value
        cast(kpis.revenue as decimal(18, 2)) as revenue,
        {{ rounded("kpis.revenue / nullif(cast(everyone.revenue as double), 0)") }} as revenue_share,
        kpis.average_order_value,

        -- what the members did next
        cast(kpis.period_revenue as decimal(18, 2)) as period_revenue,
        kpis.revenue_per_member,
        kpis.period_order_value,
        {%- for kpi in ['conversion', 'repeat_rate', 'sessions_per_member', 'response_rate'] %}
        {{ rounded('kpis.' ~ kpi) }} as {{ kpi }},
        {%- endfor %}
        cast(kpis.contacted as bigint) as contacted,
        cast(kpis.responded as bigint) as responded,

        -- compared with the previous period and all customers
        cast(dated_periods.compared_days as {{ dbt.type_bigint() }}) as compared_days,
        case
            when dated_periods.previous_as_of is null then 'none: no period before it'
            when dated_periods.compared_days is null
                then
                    'none: ' || {{ counted('dated_periods.previous_days', 'day') }}
                    || ' since the period before, less than a whole one'
            when dated_periods.compared_days = 0 then 'sizes only: the period has just begun'
            when dated_periods.is_whole and dated_periods.days = dated_periods.previous_days then 'whole periods'
            else 'the first ' || {{ counted('dated_periods.compared_days', 'day') }} || ' of both periods'
        end as comparison,
        {%- for kpi in changing %}
        {{ rounded('changes.' ~ kpi ~ '_change') }} as {{ kpi }}_change,
        {%- endfor %}
        {%- for kpi in changing if kpi not in ['customers', 'period_revenue'] %}
        {{ rounded('100 * kpis.' ~ kpi ~ ' / nullif(cast(everyone.' ~ kpi ~ ' as double), 0)') }} as {{ kpi }}_index,
        {%- endfor %}

        -- goals
        goals.kpi as goal_kpi,
        goals.change as goal_change,
        case goals.kpi
            {%- for kpi in changing %}
            when '{{ kpi }}' then {{ rounded('changes.' ~ kpi ~ '_change / goals.change') }}
            {%- endfor %}
        end as goal_progress
    from kpis
    inner join dated_periods on kpis.as_of = dated_periods.as_of
    left join kpis as everyone
        on
            kpis.as_of = everyone.as_of
            and everyone.is_all_days
            and everyone.segment_key = 'all'
    left join changes
        on
            kpis.as_of = changes.as_of
            and kpis.segment_key = changes.segment_key
    left join goals on kpis.segment_key = goals.segment_key
    where kpis.is_all_days and kpis.segment_key <> 'all'
)

select * from final
