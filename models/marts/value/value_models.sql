with models as (
    select * from {{ ref('int_value__models') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where is_current
),

final as (
    select
        -- dates
        models.fitted_as_of,

        -- how many
        models.buyers,
        models.repeaters,

        -- purchases
        models.r,
        models.alpha,
        models.a,
        models.b,
        models.log_likelihood,

        -- spend
        models.correlation,
        models.p,
        models.q,
        models.v,
        models.population_spend,

        -- words
        case when periods.as_of is not null then 'in_force' else 'retired' end as status,
        models.verdict,
        models.why
    from models
    left join periods on models.fitted_as_of = periods.models_fitted_as_of
)

select * from final
