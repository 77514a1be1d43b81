-- How far the customers of a mart can be told apart by attributes that others may know of them. Equal values of all of them are one
-- combination, null included.

{% set quasi_identifiers = {
    'customers': [
        'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier', 'city', 'region', 'country'
    ],
    'customer_features': ['recency_days', 'tenure_days', 'frequency', 'top_category'],
    'customer_segments': [
        'rfm_segment', 'value_tier', 'spend_band', 'lifecycle', 'demographic', 'cluster_key', 'journey_key'
    ],
} -%}

with combinations as (
    {% for mart, columns in quasi_identifiers.items() -%}
    select
        '{{ mart }}' as mart,
        '{{ columns | join(', ') }}' as quasi_identifiers,
        count(*) as customers
    from {{ ref(mart) }}
    group by {{ columns | join(', ') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

sizes as (
    select
        *,
        customers < {{ setting('smallest_cell') }} as is_small
    from combinations
),

final as (
    select
        -- ids
        cast(mart as {{ dbt.type_string() }}) as mart,
        cast(quasi_identifiers as {{ dbt.type_string() }}) as quasi_identifiers,

        -- numbers
        cast(sum(customers) as bigint) as customers,
        count(*) as combinations,
        count(case when customers = 1 then 1 end) as unique_combinations,
        min(customers) as smallest_combination,
        {{ rounded('sum(case when is_small then customers else 0 end) / cast(sum(customers) as double)') }}
            as share_in_small_combinations
    from sizes
    group by mart, quasi_identifiers
)

select * from final
