with source as (
    select * from {{ ref('base_experiment_assignments') }}
),

loaded as (
    select
        -- ids
        experiment_id,
        source_system,
        customer_ref,
        variant,

        -- dates
        assigned_at,
        assigned_on,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
