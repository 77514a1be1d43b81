-- One pass per feature: the quartiles of all features at once would not fit into memory where there are many members.

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

{% for column in columns -%}
{{ column }}_profiles as (
    select
        memberships.segment_key,
        '{{ column }}' as feature,
        count(current_customers.{{ column }}) as members,
        {{ exact_mean('current_customers.' ~ column) }} as mean,
        {{ quartiles('current_customers.' ~ column) }} as quartiles
    from memberships
    inner join current_customers
        on
            memberships.as_of = current_customers.as_of
            and memberships.customer_key = current_customers.customer_key
    group by memberships.segment_key
),

{% endfor -%}

everyone as (
    {% for column in columns -%}
    select
        '{{ column }}' as feature,
        {{ exact_mean(column) }} as mean
    from current_customers
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

profiles as (
    {% for column in columns -%}
    select * from {{ column }}_profiles
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        -- ids
        profiles.segment_key,
        profiles.feature,

        -- numbers
        cast(profiles.members as bigint) as members,
        {{ rounded('profiles.mean') }} as mean,
        {%- for quartile in [1, 2, 3] %}
        {{ rounded(list_element('profiles.quartiles', quartile)) }} as quartile_{{ quartile }},
        {%- endfor %}
        {{ rounded('100 * profiles.mean / nullif(everyone.mean, 0)') }} as index
    from profiles
    inner join everyone on profiles.feature = everyone.feature
)

select * from final
