{#-
    One rule against the tables of the last build: what `customer-segmentation try` asks. Only the columns that the rule
    names are read, and only the pairs of metric and window that no table has yet are computed, from the same slim tables
    by the same macros as in a build. A percentile cut is taken where a build would take it, at the last refit date.
    The queries are logged as one line of JSON, because an operation of dbt returns nothing to its caller.
-#}
{% macro trial_queries(definition, built_columns) %}
    {%- set segments = rule_segments({'this_rule': definition}) -%}
    {%- set segment = segments | selectattr('segment', 'equalto', 'this_rule') | first -%}
    {%- set cuts = percentile_cuts([segment]) -%}
    {%- set built, missing = {}, {} -%}
    {%- for condition in segment.conditions -%}
        {%- if condition.kind == 'metric' -%}
            {%- do (built if condition.column in built_columns else missing).update({condition.column: condition}) -%}
        {%- elif condition.kind == 'attribute' -%}
            {%- do built.update({condition.column: condition}) -%}
        {%- elif 'rule' not in condition -%}
            {%- do built.update({condition.scheme: condition}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set profiled = profile_columns() | select('in', built_columns) | list -%}
    {%- do log(tojson({
        'words': segment.definition,
        'members': trial_members(segment, built | list, missing.values() | list, cuts),
        'unbuilt_fit': trial_unbuilt_fit(cuts),
        'sizes': trial_sizes(),
        'overlaps': trial_overlaps(),
        'profile': trial_profile(profiled),
        'sample': trial_sample(segment),
    }), info=true) -%}
{% endmacro %}


{% macro trial_members(segment, built, missing, cuts) -%}
{%- set declared = metrics() -%}
{%- set tables = [] -%}
{%- for window in missing if declared[window.metric].table not in tables -%}
    {%- do tables.append(declared[window.metric].table) -%}
{%- endfor -%}
with current_period as (
    select
        as_of,
        cutpoints_fitted_as_of as fitted_as_of
    from {{ ref('int_periods') }}
    where is_current
),

dates as (
    select periods.*
    from {{ ref('int_periods') }} as periods
    inner join current_period
        on
            periods.as_of = current_period.as_of
            {%- if cuts %}
            or periods.as_of = current_period.fitted_as_of
            {%- endif %}
),

{% for table in tables -%}
{{ table }}_windows as (
    {{ metric_table_windows(table, missing, 'dates') }}
),

{% endfor -%}
features as (
    select
        customers.as_of,
        customers.customer_key,
        customers.customer_id
        {%- for column in built %},
        customers.{{ column }}
        {%- endfor %}
        {%- for window in missing %}
        {%- set metric = declared[window.metric] %},
        {{ metric_absent(metric, metric.table ~ '_windows.' ~ window.column) }} as {{ window.column }}
        {%- endfor %}
    from {{ ref('int_segmentation__customers_scored') }} as customers
    inner join dates on customers.as_of = dates.as_of
    {%- for table in tables %}
    left join {{ table }}_windows
        on
            customers.as_of = {{ table }}_windows.as_of
            and customers.customer_key = {{ table }}_windows.customer_key
    {%- endfor %}
),

cutpoints as (
    select
        {%- for cut in cuts %}
        cast({{ percentile_value(cut) }} as double) as {{ cut.cut_column }},
        {%- endfor %}
        max(features.as_of) as as_of
    from features
    inner join current_period on features.as_of = current_period.fitted_as_of
)

select
    features.*
    {%- for cut in cuts %},
    cutpoints.{{ cut.cut_column }}
    {%- endfor %}
from features
inner join current_period on features.as_of = current_period.as_of
cross join cutpoints
where {{ rule_condition(segment.rule) }}
{%- endmacro %}


{#- The date that a percentile of the rule is taken at, if the last build didn't make its features; else no row. -#}
{% macro trial_unbuilt_fit(cuts) -%}
select fitted.as_of
from {{ ref('int_periods') }} as periods
inner join {{ ref('int_periods') }} as fitted on periods.cutpoints_fitted_as_of = fitted.as_of
where periods.is_current and not fitted.is_built and {{ (cuts | length > 0) | lower }}
{%- endmacro %}


{#- One row: how many customers, buyers and how much revenue, of everyone and of the members. -#}
{% macro trial_sizes() -%}
select
    customers.as_of,
    count(*) as customers,
    count(case when customers.is_buyer then 1 end) as buyers,
    coalesce(sum(customers.revenue__all), 0) as revenue,
    count(members.customer_key) as members,
    count(case when customers.is_buyer then members.customer_key end) as buying_members,
    coalesce(sum(case when members.customer_key is not null then customers.revenue__all end), 0) as members_revenue
from {{ ref('int_segmentation__customers_scored') }} as customers
inner join {{ ref('int_periods') }} as periods on customers.as_of = periods.as_of
left join members on customers.customer_key = members.customer_key
where periods.is_current
group by customers.as_of
{%- endmacro %}


{#- One row per segment that shares members with the rule, the most alike first: shared by all who are in one or both. -#}
{% macro trial_overlaps() -%}
with counted as (
    select
        memberships.segment_key,
        count(*) as customers,
        count(members.customer_key) as shared
    from {{ ref('int_segmentation__memberships') }} as memberships
    inner join {{ ref('int_periods') }} as periods on memberships.as_of = periods.as_of
    left join members on memberships.customer_key = members.customer_key
    where periods.is_current
    group by memberships.segment_key
)

select
    segment_key,
    customers,
    shared
from counted
where shared > 0
order by cast(shared as double) / (customers + (select count(*) from members) - shared) desc, segment_key
{%- endmacro %}


{#- One row: the mean of each feature over the members and over everyone, <feature>__members and <feature>__everyone. -#}
{% macro trial_profile(columns) -%}
select
    {%- for column in columns %}
    avg(case when members.customer_key is not null then customers.{{ column }} end) as {{ column }}__members,
    avg(customers.{{ column }}) as {{ column }}__everyone
    {{- ',' if not loop.last }}
    {%- endfor %}
from {{ ref('int_segmentation__customers_scored') }} as customers
inner join {{ ref('int_periods') }} as periods on customers.as_of = periods.as_of
left join members on customers.customer_key = members.customer_key
where periods.is_current
{%- endmacro %}


{#- Ten members with the lowest hashes, and why they are in: those of another rule are others. -#}
{% macro trial_sample(segment) -%}
with sampled as (
    select *
    from members
    order by {{ hashed_id([sql_literal(segment.definition), 'customer_id']) }}
    limit 10
)

select
    features.customer_id,
    {{ rule_reason(dict(segment, stay_until=none), 'features', 'features') }} as reason
from sampled as features
order by features.customer_id
{%- endmacro %}
