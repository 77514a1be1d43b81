-- One row per as_of and eligible customer: each treated feature as it was, and with missing values and outliers treated.
--
-- A value depends on the customer and on stored parameters alone, never on who else is there at as_of. First a missing
-- value is filled, then the value is capped. A feature made of orders is treated for buyers only: what is missing or 0
-- because there are no orders is neither a gap nor an outlier.

{% set treatments = feature_treatments() -%}
{% set numbers = treatments | rejectattr('is_text') | map(attribute='column') | list -%}
{% set is_treated = {true: 'in_force.is_buyer', false: 'true'} -%}
{% set of_numbers = ['fill_number', 'policy_in_force', 'lower_bound', 'upper_bound', 'scale'] -%}
{% set by_neighbours = treatments | selectattr('missing', 'equalto', 'knn') | map(attribute='column') | list -%}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

treatments as (
    select * from {{ ref('int_features__treatments') }}
),

parameters as (
    select
        {%- for feature in treatments %}
        {%- for parameter in (['fill_text'] if feature.is_text else of_numbers) %}
        max(
            case when feature = '{{ feature.column }}' then {{ parameter }} end
        ) as {{ feature.column }}_{{ parameter }},
        {%- endfor %}
        {%- endfor %}
        fitted_as_of
    from treatments
    group by fitted_as_of
),

in_force as (
    select
        features.*,
        parameters.*
    from features
    inner join periods on features.as_of = periods.as_of
    left join parameters on periods.models_fitted_as_of = parameters.fitted_as_of
),

{% if by_neighbours -%}
donors as (
    select * from {{ ref('int_features__donors') }}
),

-- Donors of a customer who lacks a value, each with the distance over the features that both know.
pairs as (
    select
        in_force.as_of,
        in_force.customer_key,
        donors.customer_key as donor_key,
        {%- for column in by_neighbours %}
        donors.{{ column }},
        {%- endfor %}
        {{ distance_over_known(numbers, 'in_force', 'donors') | indent(8) }} as distance
    from in_force
    inner join donors on in_force.fitted_as_of = donors.fitted_as_of
    where
        {%- for feature in treatments if feature.missing == 'knn' %}
        {%- set column = 'in_force.' ~ feature.column %}
        ({{ is_treated[feature.needs_orders] }} and {{ column }}_policy_in_force = 'knn' and {{ column }} is null)
        {{- ' or' if not loop.last }}
        {%- endfor %}
),

{% for column in by_neighbours -%}
{{ column }}_neighbours as (
    select
        as_of,
        customer_key,
        {{ column }} as value,
        row_number() over (partition by as_of, customer_key order by distance, donor_key) as position
    from pairs
    where {{ column }} is not null and distance is not null
),

{{ column }}_means as (
    select
        as_of,
        customer_key,
        {{ rounded('avg(value)') }} as value
    from {{ column }}_neighbours
    where position <= {{ whole_number_var('imputation_neighbours', 1) }}
    group by as_of, customer_key
),

{% endfor -%}
{% endif -%}
filled as (
    select
        {%- for feature in treatments %}
        {%- set column = 'in_force.' ~ feature.column %}
        {%- if feature.missing == 'unknown' %}
        coalesce({{ column }}, 'unknown') as {{ feature.column }}_filled,
        {%- elif feature.is_text %}
        coalesce({{ column }}, {{ column }}_fill_text) as {{ feature.column }}_filled,
        {%- else %}
        case
            when {{ column }} is not null then cast({{ column }} as double)
            {%- if feature.column in by_neighbours %}
            when {{ is_treated[feature.needs_orders] }}
                then coalesce({{ feature.column }}_means.value, {{ column }}_fill_number)
            {%- else %}
            when {{ is_treated[feature.needs_orders] }} then {{ column }}_fill_number
            {%- endif %}
        end as {{ feature.column }}_filled,
        {%- endif %}
        {%- endfor %}
        in_force.*
    from in_force
    {%- for column in by_neighbours %}
    left join {{ column }}_means
        on
            in_force.{{ column }}_policy_in_force = 'knn'
            and in_force.as_of = {{ column }}_means.as_of
            and in_force.customer_key = {{ column }}_means.customer_key
    {%- endfor %}
),

treated as (
    select
        -- ids
        as_of,
        customer_key,
        fitted_as_of,

        -- features
        {%- for feature in treatments %}
        {%- set column = feature.column %}
        {%- set is_judged = 'is_buyer' if feature.needs_orders else 'true' %}
        {{ column }},
        {{ column }} is null as {{ column }}_is_missing,
        {%- if feature.missing in ['mode', 'median', 'knn'] %}
        {{ column }} is null and {{ column }}_filled is not null as {{ column }}_is_imputed,
        {%- endif %}
        {%- if feature.outlier_rule %}
        {{ is_judged }} and coalesce(
            {{ column }} < {{ column }}_lower_bound or {{ column }} > {{ column }}_upper_bound, false
        ) as {{ column }}_is_outlier,
        case
            when {{ is_judged }} and {{ column }}_filled < {{ column }}_lower_bound then {{ column }}_lower_bound
            when {{ is_judged }} and {{ column }}_filled > {{ column }}_upper_bound then {{ column }}_upper_bound
            else {{ column }}_filled
        end as {{ column }}_treated,
        {%- else %}
        {{ column }}_filled as {{ column }}_treated,
        {%- endif %}
        {%- endfor %}

        -- flags
        is_buyer
    from filled
)

select * from treated
