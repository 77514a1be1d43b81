-- Quartiles keep all values of each feature and segment in memory. So large segments are sampled, with at least 10,000
-- members: a sample quartile is then the 24% to 26% quantile of all members. Eight features at a time, because the join takes
-- longer than the quartiles, and all features at once would be too many values.

{% set columns = profile_columns() -%}
{% set quartile_members = 10000 -%}
{% set columns_of_a_join = 8 -%}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers_predicted') }}
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

current_memberships as (
    select memberships.*
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    where periods.is_current
),

sums as (
    select
        {%- for column in columns %}
        count(customers.{{ column }}) as {{ column }}_members,
        {{ exact_mean('customers.' ~ column) }} as {{ column }}_mean,
        {%- endfor %}
        memberships.segment_key
    from current_memberships as memberships
    inner join current_customers as customers on memberships.customer_key = customers.customer_key
    group by memberships.segment_key
),

parts as (
    {{ member_parts('current_memberships', quartile_members) | indent(4) }}
),

sampled_members as (
    select
        memberships.segment_key,
        memberships.customer_key
    from current_memberships as memberships
    inner join parts
        on
            memberships.segment_key = parts.segment_key
            and {{ is_in_part('memberships.customer_key', 'parts') }}
),

{% for some_columns in columns | batch(columns_of_a_join) -%}
quartiles_{{ loop.index }} as (
    select
        {%- for column in some_columns %}
        {{ quartiles('customers.' ~ column) }} as {{ column }},
        {%- endfor %}
        members.segment_key
    from sampled_members as members
    inner join current_customers as customers on members.customer_key = customers.customer_key
    group by members.segment_key
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
    {%- set joined = 'quartiles_' ~ (loop.index0 // columns_of_a_join + 1) %}
    select
        sums.segment_key,
        '{{ column }}' as feature,
        sums.{{ column }}_members as members,
        sums.{{ column }}_mean as mean,
        {{ joined }}.{{ column }} as quartiles
    from sums
    inner join {{ joined }} on sums.segment_key = {{ joined }}.segment_key
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
