-- One row per as_of, number of repeat days, age and horizon: the purchases that BG/NBD expects, within the horizon, of a
-- buyer who has not stopped. It depends on nothing else, so buyers of equal number and age share a row.
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
-- runs over for buyers of thousands of purchases, so the mean is taken by quadrature instead: the sum of weight * g over the
-- sum of weights, at the points z = centre + spread * sinh(node) of the log odds of p, where the weights die off on both
-- sides (Takahasi and Mori 1974). Nodes from -10 to 10 in steps of 1/16 leave a relative error below 1e-9, which
-- tests/python/test_lifetime_value_sql.py measures.

{% set nodes_per_side, step = 160, 16.0 -%}

with histories as (
    select * from {{ ref('int_value__purchase_histories') }}
),

models as (
    select * from {{ ref('int_value__models') }}
    where verdict in ('ok', 'population_spend')
),

periods as (
    select * from {{ ref('int_periods') }}
),

horizons as (
    {% for quarter in range(1, 5) -%}
    select
        as_of,
        models_fitted_as_of,
        {{ quarter }} * 91.25 as horizon_days
    from periods
    where is_built
    union all
    {% endfor -%}
    select distinct
        periods.models_fitted_as_of as as_of,
        periods.models_fitted_as_of,
        {{ dbt.datediff('periods.models_fitted_as_of', 'newest.as_of', 'day') }} as horizon_days
    from periods
    inner join periods as newest on newest.is_current and periods.models_fitted_as_of < newest.as_of
),

kinds as (
    select distinct
        as_of,
        repeat_days,
        age_days
    from histories
),

-- What is known of lambda (shape, rate) and of p (a, b), in weeks.
posteriors as (
    select distinct
        kinds.as_of,
        kinds.repeat_days,
        kinds.age_days,
        cast(horizons.horizon_days as double) as horizon_days,
        horizons.horizon_days / 7.0 as horizon,
        models.r + kinds.repeat_days as shape,
        models.alpha + kinds.age_days / 7.0 as rate,
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
    from posteriors
),

series as (
    {{ dbt.generate_series(2 * nodes_per_side + 1) | indent(4) }}
),

nodes as (
    select
        sinh((generated_number - {{ nodes_per_side + 1 }}) / {{ step }}) as place,
        cosh((generated_number - {{ nodes_per_side + 1 }}) / {{ step }}) as width
    from series
),

points as (
    select
        scaled.*,
        nodes.width,
        scaled.centre + scaled.spread * nodes.place as log_odds,
        -greatest(scaled.centre + scaled.spread * nodes.place, 0)
        - ln(1 + exp(-abs(scaled.centre + scaled.spread * nodes.place))) as log_not_p
    from scaled
    cross join nodes
),

weighted as (
    select
        *,
        width * exp(a * (log_odds + log_not_p) + b * log_not_p - log_peak) as weight,
        exp(greatest(log_odds + log_not_p, -690)) as p
    from points
),

-- 1 - (1 + e) ^ -shape, written so that it keeps its digits for the smallest e: 2 * half / (1 + half).
halved as (
    select
        *,
        tanh(shape * atanh(p * horizon / (2 * rate + p * horizon))) as half
    from weighted
),

expected as (
    select
        as_of,
        repeat_days,
        age_days,
        horizon_days,
        {{ rounded('sum(weight * 2 * half / ((1 + half) * p)) / sum(weight)', digits=9) }} as expected_purchases
    from halved
    group by as_of, repeat_days, age_days, horizon_days
)

select * from expected
