-- One row per as_of, number of repeat days and age: the purchases that BG/NBD predicts within some horizons for a buyer who is
-- still active. They depend on nothing else, so buyers of equal number and age share a row.
--
-- Horizons are the four quarters of the coming 365 days at the dates this build makes, and at refit dates the days that have
-- passed since, for which the purchases are known.
--
-- Of a buyer with the rate lambda who stops after a purchase with the probability p, (1 - exp(-lambda * p * h)) / p purchases
-- are expected in h weeks. Known of a buyer with x repeat days in T weeks is that lambda is gamma distributed with shape
-- r + x and rate alpha + T, and p beta distributed with a and b + x. The mean over lambda is
--
--   g(p) = (1 - (1 + p * h / (alpha + T)) ^ -(r + x)) / p
--
-- and the mean of g over p is a hypergeometric function (equation 10 of Fader, Hardie and Lee 2005). Its series cancels or
-- overflows for buyers of thousands of purchases, so the mean is taken by quadrature instead: the sum of weight * g over the
-- sum of weights, at the points centre + spread * sinh(node) of the log odds of p, where the weights die off on both sides
-- (Takahasi and Mori 1974). Nodes from -10 to 10 in steps of 1/20 leave a relative error below 1e-9, which
-- tests/python/test_lifetime_value_sql.py measures.

{% set nodes_per_side, steps_per_node = 200, 20 -%}
{% set horizons = ['quarter_1', 'quarter_2', 'quarter_3', 'quarter_4', 'holdout'] -%}

with histories as (
    select * from {{ ref('int_value__purchase_histories') }}
),

models as (
    select * from {{ ref('int_value__models') }}
    where verdict in ('ok', 'population_spend')
),

periods as (
    select
        *,
        max(as_of) over () as newest_as_of
    from {{ ref('int_periods') }}
),

-- In weeks.
horizons as (
    select
        as_of,
        models_fitted_as_of,
        {%- for quarter in range(1, 5) %}
        case when is_built then cast({{ quarter * 91.25 }} as double) / 7 end as quarter_{{ quarter }},
        {%- endfor %}
        case
            when models_fitted_as_of = as_of and as_of < newest_as_of
                then {{ dbt.datediff('as_of', 'newest_as_of', 'day') }} / 7  -- noqa: LT05
        end as holdout
    from periods
),

kinds as (
    select distinct
        as_of,
        repeat_days,
        age_days
    from histories
),

-- What is known of lambda (shape, rate) and of p (a, b).
known as (
    select
        kinds.*,
        {%- for horizon in horizons %}
        horizons.{{ horizon }},
        {%- endfor %}
        models.r + kinds.repeat_days as shape,
        models.alpha + kinds.age_days / 7 as rate,
        models.a,
        models.b + kinds.repeat_days as b
    from kinds
    inner join horizons on kinds.as_of = horizons.as_of
    inner join models on horizons.models_fitted_as_of = models.fitted_as_of
),

scaled as (
    select
        *,
        ln(a / b) as centre,
        least(sqrt(1 / a + 1 / b), 3) as spread,
        a * ln(a / (a + b)) + b * ln(b / (a + b)) as log_peak
    from known
),

series as (
    {{ dbt.generate_series(2 * nodes_per_side + 1) | indent(4) }}
),

nodes as (
    select
        sinh((generated_number - {{ nodes_per_side + 1 }}) / {{ steps_per_node }}) as place,
        cosh((generated_number - {{ nodes_per_side + 1 }}) / {{ steps_per_node }}) as width
    from series
),

placed as (
    select
        scaled.*,
        nodes.width,
        scaled.centre + scaled.spread * nodes.place as log_odds
    from scaled
    cross join nodes
),

points as (
    select
        *,
        -greatest(log_odds, 0) - ln(1 + exp(-abs(log_odds))) as log_not_p
    from placed
),

-- Points of less than e^-45 of the highest weight add nothing to a double.
weighted as (
    select
        *,
        width * exp(a * (log_odds + log_not_p) + b * log_not_p - log_peak) as weight,
        exp(greatest(log_odds + log_not_p, -690)) as p
    from points
    where a * (log_odds + log_not_p) + b * log_not_p - log_peak > -45
),

-- tanh(y / 2) for 1 - exp(-y) = 1 - (1 + p * h / rate) ^ -shape: written so, it keeps its digits for the smallest p.
halved as (
    select
        {%- for horizon in horizons %}
        tanh(shape * atanh(p * {{ horizon }} / (2 * rate + p * {{ horizon }}))) as half_{{ loop.index }},
        {%- endfor %}
        as_of,
        repeat_days,
        age_days,
        weight,
        p
    from weighted
),

expected as (
    select
        {%- for horizon in horizons %}
        {%- set mean = 'sum(weight * 2 * half_N / ((1 + half_N) * p)) / sum(weight)' | replace('N', loop.index) %}
        {{ rounded(mean, digits=9) }} as {{ horizon }},
        {%- endfor %}
        as_of,
        repeat_days,
        age_days
    from halved
    group by as_of, repeat_days, age_days
)

select * from expected
