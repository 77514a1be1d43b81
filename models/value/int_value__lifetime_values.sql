-- One row per as_of and buyer who has purchased before it: what the models of lifetime value expect. The table that metrics
-- of lifetime value read. All is null where the model in force has no parameters.
--
-- The value of the next 365 days: the purchases expected in each quarter times the expected spend, discounted from the
-- middle of the quarter.

{% set discount = 1 + setting('annual_discount') -%}

with histories as (
    select * from {{ ref('int_value__purchase_histories') }}
),

models as (
    select * from {{ ref('int_value__models') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where is_built
),

expected as (
    select * from {{ ref('int_value__expected_purchases') }}
),

if_alive as (
    select
        *,
        quarter_1 * power({{ discount }}, -0.125)
        {%- for quarter in range(2, 5) %}
        + (quarter_{{ quarter }} - quarter_{{ quarter - 1 }}) * power({{ discount }}, -{{ quarter / 4 - 0.125 }})
        {%- endfor %} as discounted_purchases
    from expected
),

probabilities as (
    select
        histories.*,
        models.verdict,
        models.p,
        models.q,
        models.v,
        models.population_spend,
        {{ probability_alive('histories', 'models') | indent(8) }} as alive
    from histories
    inner join periods on histories.as_of = periods.as_of
    inner join models on periods.models_fitted_as_of = models.fitted_as_of
),

spends as (
    select
        *,
        case
            when verdict = 'ok'
                then p * (v + repeat_days * coalesce(repeat_spend, 0)) / (p * repeat_days + q - 1)
            else population_spend
        end as spend
    from probabilities
),

valued as (
    select
        -- ids
        spends.as_of,
        spends.customer_key,

        -- dates
        {{ days_before('spends.as_of', 1) }} as day,

        -- what was
        spends.repeat_days,
        spends.active_days,
        spends.age_days,
        spends.repeat_spend,

        -- what is expected
        {{ rounded('spends.alive') }} as probability_alive,
        {{ rounded('spends.alive * if_alive.quarter_4') }} as expected_purchases,
        cast({{ rounded('spends.spend', 2) }} as decimal(18, 2)) as expected_spend,
        cast(
            {{ rounded('spends.alive * if_alive.discounted_purchases * spends.spend', 2) }} as decimal(18, 2)
        ) as expected_value
    from spends
    left join if_alive
        on
            spends.as_of = if_alive.as_of
            and spends.repeat_days = if_alive.repeat_days
            and spends.age_days = if_alive.age_days
)

select * from valued
