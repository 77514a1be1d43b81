-- One row per segment of rfm and spend_breaks: its definition in words, with the limits in force at the newest as_of.
-- Segments are listed even if nothing could be fitted.
--
-- The scores rank a shop's buyers, so what "recently" means depends on the shop. The words of a card about recency are used only if
-- they hold by the limit of the segment active in the scheme lifecycle; otherwise the days are given instead.

{% set of_active = declared_schemes().get('lifecycle', {}).get('segments', [])
    | selectattr('segment', 'defined') | selectattr('segment', 'equalto', 'active') | map(attribute='rule') | list -%}
{% set active_days = of_active[0].get('at_most', 90) if of_active else 90 -%}

{% set slack = setting('score_slack') -%}
{% set slack_words = "'; current members stay until they miss a limit by more than ' || " ~ percent_words(slack) if slack else "''" -%}

{#- Set where recency is measured in own gaps. -#}
{% set recency_limits = rfm_metrics().recency.limits -%}
{% set gap_bounds = {'most_gaps': 'lowest_recency', 'fewest_gaps': 'recency_out'} if recency_limits else {} -%}

with rfm_labels as (
    select * from {{ ref('rfm_labels') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

limits as (
    {{ cuts_in_force('periods') | indent(4) }}
),

-- Each label is a rectangle of scores. The scores just above it give its upper limits.
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
        -- Scores 4 and 5 are the recent ones.
        rfm_rectangles.recency_out > 4 as is_recent,
        limits.cutpoints_fitted_as_of as fitted_as_of,
        {%- for bound, score in gap_bounds.items() %}
        case rfm_rectangles.{{ score }}
            {%- for limit in recency_limits %}
            when {{ loop.index + 1 }} then '{{ limit }}'
            {%- endfor %}
        end as {{ bound }},
        {%- endfor %}
        coalesce(limits.recency_status = 'one_value' or limits.frequency_status = 'one_value', false) as is_one_value,
        case when limits.recency_status = 'one_value' then cast(limits.recency_5 as bigint) end as same_days,
        case when limits.frequency_status = 'one_value' then cast(limits.frequency_5 as bigint) end as same_orders,
        cast(
            {{ limit_of_score('rfm_rectangles.lowest_recency', 'limits.recency', 'desc') | indent(12) }} as bigint
        ) as most_days,
        cast(
            {{ limit_of_score('rfm_rectangles.recency_out', 'limits.recency', 'desc') | indent(12) }} as bigint
        ) + 1 as fewest_days,
        cast(
            {{ limit_of_score('rfm_rectangles.lowest_frequency', 'limits.frequency', 'asc') | indent(12) }} as bigint
        ) as fewest_orders,
        cast(
            {{ limit_of_score('rfm_rectangles.frequency_out', 'limits.frequency', 'asc') | indent(12) }} as bigint
        ) - 1 as most_orders
    from rfm_rectangles
    cross join limits
),

rfm_words as (
    select
        *,
        {%- if recency_limits %}
        case
            when fewest_gaps is null then 'last order less than ' || most_gaps || ' own gaps ago'
            when most_gaps is null then 'last order at least ' || fewest_gaps || ' own gaps ago'
            else 'last order ' || fewest_gaps || ' to less than ' || most_gaps || ' own gaps ago'
        end as recency,
        false as card_holds
        {%- else %}
        case
            when same_days is not null then 'last order ' || {{ counted('same_days', 'day') }} || ' ago'
            when fewest_days > most_days then 'no recency in between'
            when fewest_days is null then 'last order at most ' || {{ counted('most_days', 'day') }} || ' ago'
            when most_days is null then 'last order at least ' || {{ counted('fewest_days', 'day') }} || ' ago'
            when fewest_days = most_days then 'last order ' || {{ counted('most_days', 'day') }} || ' ago'
            else 'last order ' || fewest_days || ' to ' || {{ counted('most_days', 'day') }} || ' ago'
        end as recency,
        case
            when is_recent then coalesce(same_days, most_days) <= {{ active_days }}
            else coalesce(same_days, fewest_days) > {{ active_days }}
        end as card_holds
        {%- endif %}
    from rfm_limits
),

rfm_definitions as (
    select
        'rfm' as scheme,
        segment,
        cast(null as {{ dbt.type_string() }}) as name,
        case
            when fitted_as_of is null then 'no buyers to rank'
            when is_one_value then 'all buyers alike in recency or frequency, so scored 3 there'
            else
                recency
                || ' and '
                || case
                    when fewest_orders > most_orders then 'no number of orders in between'
                    when most_orders is null then 'at least ' || {{ counted('fewest_orders', 'order') }}
                    -- Buyers have at least one.
                    when coalesce(fewest_orders, 1) = most_orders then {{ counted('most_orders', 'order') }}
                    when fewest_orders is null then 'at most ' || {{ counted('most_orders', 'order') }}
                    else fewest_orders || ' to ' || {{ counted('most_orders', 'order') }}
                end
                || {{ slack_words }}
        end as definition,
        case
            when same_orders = 1 or (fewest_orders is null and most_orders = 1) then segment || ' once'
            else segment
        end as card_segment,
        case when not card_holds then recency end as recency,
        fitted_as_of
    from rfm_words
),

-- With few different amounts there are fewer bands than asked for.
bands as (
    {% for band in range(1, setting('spend_breaks') + 1) -%}
    select
        {{ band }} as band,
        {{ 'break_' ~ (band - 1) if band > 1 else 'cast(null as double)' }} as lower_bound,
        {{ 'break_' ~ band if not loop.last else 'cast(null as double)' }} as upper_bound,
        1
        {%- for cut in range(1, setting('spend_breaks')) %}
        + case when break_{{ cut }} is not null then 1 else 0 end
        {%- endfor %} as bands_in_use,
        cutpoints_fitted_as_of as fitted_as_of
    from limits
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Ranks from the nearer end.
ranked_bands as (
    select
        *,
        case
            when band < bands_in_use - band + 1 then 'lowest'
            when band > bands_in_use - band + 1 then 'highest'
        end as nearer_end,
        least(band, bands_in_use - band + 1) as position
    from bands
),

spend_break_definitions as (
    select
        'spend_breaks' as scheme,
        'band_' || band as segment,
        case
            when bands_in_use = 1 or position < 1 then null
            when nearer_end is null then 'Middle spend'
            when position = 1 and nearer_end = 'lowest' then 'Lowest spend'
            when position = 1 then 'Highest spend'
            when position = 2 then '2nd ' || nearer_end || ' spend'
            when position = 3 then '3rd ' || nearer_end || ' spend'
            else position || 'th ' || nearer_end || ' spend'
        end as name,
        case
            when lower_bound is null and upper_bound is null and band = 1 then 'all buyers'
            when lower_bound is null and upper_bound is null then 'not in use: too few different amounts'
            when lower_bound is null then 'lifetime revenue of at most ' || {{ money_words('upper_bound') }}
            else
                'lifetime revenue above ' || {{ money_words('lower_bound') }}
                || coalesce(' and at most ' || {{ money_words('upper_bound') }}, '')
        end as definition,
        -- Bands come and go, so a card is that of a rank.
        case
            when bands_in_use = 1 or position < 1 or nearer_end is null then 'middle'
            when position = 1 then nearer_end
            when nearer_end = 'lowest' then 'low'
            else 'high'
        end as card_segment,
        cast(null as {{ dbt.type_string() }}) as recency,
        fitted_as_of
    from ranked_bands
),

fitted_definitions as (
    select * from rfm_definitions
    union all
    select * from spend_break_definitions
)

select * from fitted_definitions
