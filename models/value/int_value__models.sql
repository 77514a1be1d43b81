-- One row per refit date of models: the parameters of lifetime value as columns. A date without any purchase before it has
-- too few buyers as well.

with fit as (
    select * from {{ ref('int_value__model_fit') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct models_fitted_as_of as fitted_as_of
    from periods
    where models_fitted_as_of is not null
),

parts as (
    select
        as_of as fitted_as_of,
        max(case when part = 'count' and name = 'buyers' then value end) as buyers,
        max(case when part = 'count' and name = 'repeaters' then value end) as repeaters,
        {%- for name in ['r', 'alpha', 'a', 'b', 'log_likelihood'] %}
        max(case when part = 'purchases' and name = '{{ name }}' then value end) as {{ name }},
        {%- endfor %}
        max(case when part = 'correlation' then value end) as correlation,
        {%- for name in ['p', 'q', 'v'] %}
        max(case when part = 'spend' and name = '{{ name }}' then value end) as {{ name }},
        {%- endfor %}
        max(case when part = 'spend' and name = 'population' then value end) as population_spend,
        max(case when part = 'verdict' then name end) as verdict,
        max(case when part = 'why' then name end) as why
    from fit
    group by as_of
),

models as (
    select
        refit_dates.fitted_as_of,
        cast(coalesce(parts.buyers, 0) as bigint) as buyers,
        cast(coalesce(parts.repeaters, 0) as bigint) as repeaters,
        parts.r,
        parts.alpha,
        parts.a,
        parts.b,
        parts.log_likelihood,
        parts.correlation,
        parts.p,
        parts.q,
        parts.v,
        cast(parts.population_spend as decimal(18, 2)) as population_spend,
        coalesce(parts.verdict, 'too_few') as verdict,
        coalesce(parts.why, 'There is no purchase to learn from.') as why
    from refit_dates
    left join parts on refit_dates.fitted_as_of = parts.fitted_as_of
)

select * from models
