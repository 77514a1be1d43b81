-- Size and value of every segment as of each period, and what those who were members at its start did until the next one.
-- A change is against the same segment at the period before, an index against everyone.

{% set goals = segment_goals() -%}
{% set changing = kpis_with_change() -%}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers') }}
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

periods as (
    select
        *,
        lag(as_of) over (order by as_of) as previous_as_of
    from {{ ref('int_periods') }}
),

orders as (
    select * from {{ ref('int_features__orders') }}
),

sessions as (
    select * from {{ ref('int_features__sessions') }}
),

contacts as (
    select * from {{ ref('int_features__contacts') }}
),

period_orders as (
    select
        periods.as_of,
        orders.customer_key,
        sum(orders.amount) as revenue,
        sum(case when orders.is_completed then 1 else 0 end) as orders
    from periods
    inner join orders on periods.as_of <= orders.day and periods.next_as_of > orders.day
    group by periods.as_of, orders.customer_key
),

period_sessions as (
    select
        periods.as_of,
        sessions.customer_key,
        count(*) as sessions
    from periods
    inner join sessions on periods.as_of <= sessions.day and periods.next_as_of > sessions.day
    group by periods.as_of, sessions.customer_key
),

period_contacts as (
    select
        periods.as_of,
        contacts.customer_key,
        max(case when contacts.responded_on < periods.next_as_of then 1 else 0 end) as has_responded
    from periods
    inner join contacts on periods.as_of <= contacts.contacted_on and periods.next_as_of > contacts.contacted_on
    group by periods.as_of, contacts.customer_key
),

-- Without any session nothing is known of engagement; with some, a member without one has 0.
known as (
    select count(*) > 0 as has_sessions from sessions
),

sizes as (
    select
        memberships.as_of,
        memberships.segment_key,
        memberships.scheme,
        count(*) as customers,
        count(case when customers.is_buyer then 1 end) as buyers,
        sum(customers.revenue__all) as revenue,
        sum(customers.orders__all) as orders,
        sum(period_orders.revenue) as period_revenue,
        sum(period_orders.orders) as period_orders,
        count(case when period_orders.orders >= 1 then 1 end) as converted,
        count(case when period_orders.orders >= 2 then 1 end) as repeated,
        coalesce(sum(period_sessions.sessions), 0) as sessions,
        count(period_contacts.has_responded) as contacted,
        sum(period_contacts.has_responded) as responded
    from memberships
    inner join customers
        on
            memberships.as_of = customers.as_of
            and memberships.customer_key = customers.customer_key
    {%- for facts in ['period_orders', 'period_sessions', 'period_contacts'] %}
    left join {{ facts }}
        on
            memberships.as_of = {{ facts }}.as_of
            and memberships.customer_key = {{ facts }}.customer_key
    {%- endfor %}
    group by memberships.as_of, memberships.segment_key, memberships.scheme
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
