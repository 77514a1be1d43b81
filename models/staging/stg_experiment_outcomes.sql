with source as (
    select * from {{ ref('base_experiment_outcomes') }}
),

loaded as (
    select
        -- ids
        experiment_id,
        source_system,
        customer_ref,
        metric,

        -- numbers
        value,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
