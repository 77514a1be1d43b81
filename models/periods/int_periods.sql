-- The parameters in force at each date of the calendar, and the dates this build has to build. Every model with `as_of`
-- takes its dates from here.
--
-- Parameters are fitted as of the first date with an eligible buyer before it, then as set by the vars refit_* and the seed
-- refits. At some of these dates, set by var reselect_models and that seed, algorithm and number of clusters are selected
-- again; at dates of the seed with update, centroids are only moved.
--
-- Periods of earlier builds are a cache: a period is rebuilt when its inputs change: data, definitions, or the first date,
-- from which hysteresis is replayed. The last build's row of a period holds the hashes of those inputs, written only after
-- every model kept by period was built.
--
-- Rows that expire by var retention change no closed period: when its limits have moved since the last build, only data that can't
-- expire is compared. What the last build knew to be outdated stays so.

-- depends_on: {{ ref('int_identity__customers_resolved') }}

{{ config(pre_hook="{{ customer_segmentation.keep_last_periods() }}") }}

{% set definition = definition_hash() -%}
{% set backfill = backfill_range() -%}
{% set retention = setting('retention') -%}
{% set is_asked = "as_of between date '" ~ backfill[0] ~ "' and date '" ~ backfill[1] ~ "'" if backfill else 'false' -%}

with calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

customer_orders as (
    select * from {{ ref('int_facts__orders') }}
),

day_hashes as (
    select * from {{ ref('int_periods__day_hashes') }}
),

built as (
    {{ periods_of_last_build() | indent(4) }}
),

departed as (
    {{ customers_departed_since_last_build() | indent(4) }}
),

first_purchase as (
    select min(day) as first_bought_on
    from customer_orders
    where is_completed
),

refit_calendar as (
    select
        calendar.*,
        {{ is_refit_date('refit_cutpoints') }} as fits_cutpoints,
        calendar.asks_refit or {{ is_refit_date('refit_models') }} as fits_models,
        calendar.asks_selection or {{ is_refit_date('reselect_models') }} as selects_models,
        calendar.as_of > first_purchase.first_bought_on as has_buyers,
        calendar.as_of > first_purchase.first_bought_on
        and coalesce(calendar.previous_as_of <= first_purchase.first_bought_on, true) as is_first
    from calendar
    cross join first_purchase
),

in_force as (
    select
        as_of,
        previous_as_of,
        next_as_of,
        is_current,
        max(case when is_first or (has_buyers and fits_cutpoints) then as_of end)
            over up_to_as_of as cutpoints_fitted_as_of,
        max(case when is_first or (has_buyers and (fits_models or selects_models or asks_update)) then as_of end)
            over up_to_as_of as models_fitted_as_of,
        has_buyers and asks_update and not (is_first or fits_models or selects_models) as updates_models,
        max(case when is_first or (has_buyers and selects_models) then as_of end)
            over up_to_as_of as models_selected_as_of,
        min(as_of) over () as first_as_of,
        row_number() over (order by as_of desc) as periods_ago
    from refit_calendar
    window up_to_as_of as (order by as_of)
),

hashed as (
    select
        in_force.as_of,
        coalesce(sum(day_hashes.hashed), 0) as data_hash,
        coalesce(sum(day_hashes.expiring_hashed), 0) as expiring_data_hash
    from in_force
    left join day_hashes on in_force.as_of > day_hashes.day
    group by in_force.as_of
),

compared as (
    select
        in_force.*,
        {{ hashed_id([
            "'" ~ definition ~ "'",
            'in_force.first_as_of',
            'in_force.cutpoints_fitted_as_of',
            'in_force.models_fitted_as_of',
            'in_force.models_selected_as_of',
        ]) | indent(8) }} as definition_hash,
        hashed.data_hash,
        hashed.expiring_data_hash,
        {% if retention -%}
        {{ sql_literal(tojson(retention, sort_keys=true)) }}
        || cast(cast({{ dbt.date_trunc('month', 'max(in_force.as_of) over ()') }} as date) as {{ dbt.type_string() }})
        {%- else -%}
        'none'
        {%- endif %} as retention,
        built.built_definition_hash,
        built.built_data_hash,
        built.built_expiring_data_hash,
        built.retention as built_retention,
        built.expiring_data_hash as last_expiring_data_hash,
        departed.customers as departed_customers
    from in_force
    inner join hashed on in_force.as_of = hashed.as_of
    left join built on in_force.as_of = built.as_of
    cross join departed
),

differing as (
    select
        *,
        built_data_hash <> data_hash
        or built_expiring_data_hash
        <> case when built_retention = retention then expiring_data_hash else last_expiring_data_hash end
            as has_other_data
    from compared
),

asked as (
    select
        *,
        case
            when built_definition_hash is null then 'new'
            when built_definition_hash <> definition_hash then 'definition'
            when departed_customers > 0 then 'customers_gone'
            when is_current then 'current'
            when
                has_other_data
                and periods_ago <= {{ setting('rebuild_periods') }} + 1
                then 'late_data'
            when {{ is_asked }} then 'backfill'
            when {{ setting('score_slack') }} > 0 then 'slack'
        end as build_reason
    from differing
),

-- Changes are derived from the previous period, so the period after a rebuilt one is built as well.
decided as (
    select
        *,
        build_reason is not null or coalesce(lag(build_reason) over (order by as_of) is not null, false) as is_built,
        coalesce({{ dbt.datediff('as_of', 'next_as_of', 'day') }}, 0) as days,
        coalesce(next_as_of = cast({{ dbt.dateadd(var('period'), 1, 'as_of') }} as date), false) as is_whole
    from asked
),

periods as (
    select
        as_of,
        previous_as_of,
        next_as_of,
        is_current,
        days,
        is_whole,
        -- February is compared with the first 28 days of January.
        case when lag(is_whole) over (order by as_of) then least(days, lag(days) over (order by as_of)) end
            as compared_days,
        cutpoints_fitted_as_of,
        models_fitted_as_of,
        models_selected_as_of,
        updates_models,

        -- what this build does
        build_reason,
        is_built,
        -- The behaviour of a period's members is known when the next period begins; how many of its days are compared with
        -- the next period, when that one ends.
        is_built
        or coalesce(lead(is_built) over (order by as_of), false)
        or coalesce(lead(is_built, 2) over (order by as_of), false) as is_measured,
        coalesce(not is_built and has_other_data, false) as is_outdated,

        -- what went into it
        definition_hash,
        data_hash,
        expiring_data_hash,
        retention,
        case when not is_built then built_definition_hash end as built_definition_hash,
        case when not is_built then built_data_hash end as built_data_hash,
        case
            when not is_built and (has_other_data or built_retention = retention) then built_expiring_data_hash
            when not is_built then expiring_data_hash
        end as built_expiring_data_hash
    from decided
)

select * from periods
