-- One row per population, segment, attribute and group, at the newest as_of: how many of the group are members. A population is all
-- eligible customers, or those a prediction was made for; it has a row per group itself, as the segment all.
--
-- Attributes that are known for none have no rows, and neither have segments for an attribute that their definition names: these
-- are meant to differ by it.

{% set attributes, definitions = setting('protected_attributes'), [] -%}
{% for key, columns in columns_of_definitions().items() -%}
{% for attribute in attributes if attribute in columns -%}
{% do definitions.append([key, attribute]) -%}
{% endfor -%}
{% endfor -%}

with periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

customers as (
    select
        scored.customer_key,
        {%- for attribute in attributes %}
        coalesce(cast(scored.{{ attribute }} as {{ dbt.type_string() }}), 'unknown') as {{ attribute }},
        {%- endfor %}
        scored.as_of
    from {{ ref('int_segmentation__customers_scored') }} as scored
    inner join periods on scored.as_of = periods.as_of
),

memberships as (
    select memberships.*
    from {{ ref('int_segmentation__memberships') }} as memberships
    inner join periods on memberships.as_of = periods.as_of
),

scores as (
    select scores.*
    from {{ ref('int_segmentation__prediction_scores') }} as scores
    inner join periods on scores.as_of = periods.as_of
),

placed as (
    select
        'all' as population,
        'all' as scheme,
        'all' as segment_key,
        customer_key
    from customers
    union all
    select
        'all' as population,
        scheme,
        segment_key,
        customer_key
    from memberships
    union all
    select
        'prediction:' || target as population,
        'all' as scheme,
        'all' as segment_key,
        customer_key
    from scores
    union all
    select
        'prediction:' || target as population,
        'prediction' as scheme,
        'prediction:' || target as segment_key,
        customer_key
    from scores
    where decile = 10
),

-- Once for all attributes together, since memberships are many.
combinations as (
    select
        placed.population,
        placed.scheme,
        placed.segment_key,
        {%- for attribute in attributes %}
        customers.{{ attribute }},
        {%- endfor %}
        customers.as_of,
        count(*) as customers
    from placed
    inner join customers on placed.customer_key = customers.customer_key
    group by
        placed.population,
        placed.scheme,
        placed.segment_key,
        {%- for attribute in attributes %}
        customers.{{ attribute }},
        {%- endfor %}
        customers.as_of
),

counted as (
    {% for attribute in attributes -%}
    select
        as_of,
        population,
        scheme,
        segment_key,
        '{{ attribute }}' as attribute,
        {{ attribute }} as attribute_group,
        cast(sum(customers) as bigint) as members
    from combinations
    group by as_of, population, scheme, segment_key, {{ attribute }}
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        as_of,
        population,
        scheme,
        segment_key,
        '' as attribute,
        '' as attribute_group,
        customers as members
    from combinations
    where false
    {% endfor %}
),

known_attributes as (
    select distinct attribute
    from counted
    where segment_key = 'all' and attribute_group <> 'unknown'
),

populations as (
    select
        counted.*,
        cast(sum(counted.members) over (partition by counted.population, counted.attribute) as bigint) as all_customers
    from counted
    inner join known_attributes on counted.attribute = known_attributes.attribute
    where counted.segment_key = 'all'
),

-- A scheme, or the segment_key of a rule.
definitions as (
    {{ inline_rows({'defined': 'string', 'attribute': 'string'}, definitions) | indent(4) }}
),

segments as (
    select
        counted.population,
        counted.scheme,
        counted.segment_key,
        counted.attribute,
        cast(sum(counted.members) as bigint) as all_members
    from counted
    left join definitions
        on
            counted.attribute = definitions.attribute
            and (counted.scheme = definitions.defined or counted.segment_key = definitions.defined)
    where definitions.defined is null
    group by counted.population, counted.scheme, counted.segment_key, counted.attribute
),

final as (
    select
        -- ids
        populations.as_of,
        populations.population,
        segments.scheme,
        segments.segment_key,
        populations.attribute,
        populations.attribute_group,

        -- numbers
        populations.members as customers,
        populations.all_customers,
        coalesce(counted.members, 0) as members,
        segments.all_members
    from populations
    inner join segments
        on
            populations.population = segments.population
            and populations.attribute = segments.attribute
    left join counted
        on
            populations.population = counted.population
            and segments.segment_key = counted.segment_key
            and populations.attribute = counted.attribute
            and populations.attribute_group = counted.attribute_group
)

select
    *,
    {{ sample_hash([
        'population', 'scheme', 'segment_key', 'attribute', 'attribute_group', 'customers', 'all_customers', 'members',
        'all_members'
    ], 'as_of') | indent(4) }} as sample_hash
from final
