-- A goal is a change of a KPI from one period to the next. Of shares the interval is known, by the logarithm of the ratio; the
-- two periods count as independent, which makes it rather too wide: most members are the same.

{% set shares = {'conversion': 'customers', 'repeat_rate': 'customers', 'response_rate': 'contacted'} -%}

with kpis as (
    select * from {{ ref('segment_kpis') }}
),

previous_kpis as (
    select
        segment_key,
        customers,
        contacted,
        lead(period) over (partition by segment_key order by period) as next_period
    from kpis
),

goals as (
    select
        kpis.segment_key,
        kpis.goal_kpi as kpi,
        kpis.goal_change,
        kpis.period,
        case kpis.goal_kpi
            {%- for kpi in kpis_with_change() %}
            when '{{ kpi }}' then kpis.{{ kpi }}_change
            {%- endfor %}
        end as change,
        case kpis.goal_kpi
            {%- for kpi, base in shares.items() %}
            when '{{ kpi }}' then kpis.{{ kpi }}
            {%- endfor %}
        end as share,
        case when kpis.goal_kpi = 'response_rate' then kpis.contacted else kpis.customers end as size,
        case when kpis.goal_kpi = 'response_rate' then previous_kpis.contacted else previous_kpis.customers end
            as previous_size
    from kpis
    left join previous_kpis
        on
            kpis.segment_key = previous_kpis.segment_key
            and kpis.period = previous_kpis.next_period
    where kpis.goal_kpi is not null and kpis.is_last_whole
),

-- The share before is derived from the change, which compares as many days of both periods.
spread as (
    select
        *,
        case
            when share > 0 and change > -1 and share / (1 + change) <= 1
                then
                    exp(1.96 * sqrt(
                        (1 - share) / (size * share)
                        + (1 - share / (1 + change)) / nullif(previous_size * share / (1 + change), 0)
                    ))
        end as factor
    from goals
),

ranged as (
    select
        *,
        {{ rounded('(1 + change) / factor - 1') }} as change_low,
        {{ rounded('(1 + change) * factor - 1') }} as change_high
    from spread
),

final as (
    select
        -- ids
        segment_key,
        kpi,

        -- words
        case
            when change is null then 'not known: no change from the period before'
            when change_low is null and change * sign(goal_change) >= abs(goal_change)
                then 'reached, without an interval'
            when change_low is null then 'missed, without an interval'
            when least(change_low * sign(goal_change), change_high * sign(goal_change)) >= abs(goal_change)
                then 'reached'
            when greatest(change_low * sign(goal_change), change_high * sign(goal_change)) < abs(goal_change)
                then 'missed'
            else 'not sure: the interval holds the goal'
        end as verdict,

        -- numbers
        goal_change,
        change,
        change_low,
        change_high,

        -- dates
        period
    from ranged
)

select * from final
