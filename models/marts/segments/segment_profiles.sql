-- All features of all segments come from one pass; the second part turns the columns into rows.

{% set columns = profile_columns() -%}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

current_customers as (
    select customers.*
    from customers
    inner join periods on customers.as_of = periods.as_of
    where periods.is_current
),

everyone as (
    select
        {%- for column in columns %}
        avg({{ column }}) as {{ column }}_mean,
        {%- endfor %}
        count(*) as customers
    from current_customers
),

profiles as (
    select
        {%- for column in columns %}
        count(current_customers.{{ column }}) as {{ column }}_members,
        avg(current_customers.{{ column }}) as {{ column }}_mean,
        {{ quartiles('current_customers.' ~ column) }} as {{ column }}_quartiles,
        {%- endfor %}
        memberships.segment_key
    from memberships
    inner join current_customers
        on
            memberships.as_of = current_customers.as_of
            and memberships.customer_key = current_customers.customer_key
    group by memberships.segment_key
),

long_profiles as (
    {% for column in columns -%}
    select
        profiles.segment_key,
        '{{ column }}' as feature,
        cast(profiles.{{ column }}_members as bigint) as members,
        {{ rounded('profiles.' ~ column ~ '_mean') }} as mean,
        {%- for quartile in [1, 2, 3] %}
        {{ rounded(list_element('profiles.' ~ column ~ '_quartiles', quartile)) }} as quartile_{{ quartile }},
        {%- endfor %}
        {{ rounded('100 * profiles.' ~ column ~ '_mean / nullif(everyone.' ~ column ~ '_mean, 0)') }} as index
    from profiles
    cross join everyone
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        -- ids
        segment_key,
        feature,

        -- numbers
        members,
        mean,
        quartile_1,
        quartile_2,
        quartile_3,
        index
    from long_profiles
)

select * from final
