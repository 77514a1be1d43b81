{#-
    Reads only the columns that the rule names, and computes only the windows that no table has, by the same macros as a build.
    Logged as one line of JSON, because an operation of dbt returns nothing to its caller.
-#}
{% macro trial_queries(definition, built_columns, row_columns) %}
    {%- set segments = rule_segments({'this_rule': definition}) -%}
    {%- set segment = segments | selectattr('segment', 'equalto', 'this_rule') | first -%}
    {%- set cuts = percentile_cuts([segment]) -%}
    {%- do check_row_conditions(segment, row_columns) -%}
    {%- set built, missing = {}, {} -%}
    {%- for condition in segment.conditions -%}
        {%- for window in condition.windows or [] -%}
            {%- do (built if window.column in built_columns else missing).update({window.column: window}) -%}
        {%- endfor -%}
        {%- if condition.kind == 'segment' and 'rule' not in condition -%}
            {%- do built.update({condition.scheme: condition}) -%}
        {%- elif condition.kind in ['score', 'attribute', 'consent', 'date', 'prediction', 'prediction_decile'] and not condition.windows -%}
            {%- do built.update({condition.column: condition}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for column, condition in built.items() if column not in built_columns -%}
        {%- do definition_error(segment.subject, condition.kind, condition.get('subject', column) ~ ', which the last build did not compute', 'the rule in var rule_segments and a build first') -%}
    {%- endfor -%}
    {%- do log(tojson({
        'words': segment.definition,
        'members': trial_members(segment, built | list, missing.values() | list, cuts),
        'reason': rule_reason(dict(segment, stay_until=none), 'members', 'members'),
        'has_percentile': cuts | length > 0,
        'profiled': profile_columns() | select('in', built_columns) | list,
        'customers': ref('int_segmentation__customers_predicted') | string,
        'memberships': ref('int_segmentation__memberships') | string,
        'periods': ref('int_periods') | string,
    }), info=true) -%}
{% endmacro %}


{% macro trial_members(segment, built, missing, cuts) -%}
{%- set tables = missing | map(attribute='table') | unique | list -%}
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
        {%- for window in missing %},
        {{ metric_absent(window, window.table ~ '_windows.' ~ window.column) }} as {{ window.column }}
        {%- endfor %}
    from {{ ref('int_segmentation__customers_predicted') }} as customers
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
