{% macro experiments() %}
    {%- set cache, key = cache_of_this_run(), ['experiments', var('experiments'), var('metrics', {}), var('extra_metrics', {}), var('rule_segments', {})] | string -%}
    {%- if key in cache -%}
        {{- return(cache[key]) -}}
    {%- endif -%}
    {%- set name = {'text': '[A-Za-z0-9_.-]+', 'words': 'letters, digits, _, . and -'} -%}
    {%- set day, share = {'date': true}, {'number': [0.000001, 1]} -%}
    {%- do check('Var experiments', '', var('experiments'), {
        'may_be_empty': true,
        'words': 'a list such as [{name: reminder, hypothesis: .., variants: {control: .5, treatment: .5}, primary_metric: conversion, start: .., end: ..}]',
        'items': {
            'keys': {'name': name, 'hypothesis': {'text': none}, 'primary_metric': name, 'start': day, 'end': day},
            'optional': {
                'segment': {'text': none},
                'variants': {'values': share},
                'control': name,
                'factors': {'values': {'values': share}},
                'guardrail_metrics': {'items': name, 'may_be_empty': true},
                'lower_is_better': {'items': name, 'may_be_empty': true},
                'pre_period_days': {'whole': [1, 3650]},
                'lift': {'number': [0.000001, 1000]},
                'layer': {'keys': {'name': name, 'from': {'number': [0, 1]}, 'below': {'number': [0, 1]}}},
            },
        },
    }) -%}
    {%- set checked = {} -%}
    {%- for entry in var('experiments') -%}
        {%- set subject = "Experiment '" ~ entry.name ~ "' in var experiments" -%}
        {%- if entry.name in checked -%}
            {%- do definition_error(subject, 'name', "the name of an experiment above", 'a name of its own') -%}
        {%- elif entry.start | string > entry.end | string -%}
            {%- do definition_error(subject, 'end', entry.end, 'the day of start, ' ~ entry.start ~ ', or a later one') -%}
        {%- elif entry.segment is defined -%}
            {%- do parts_of_segment_key(subject, 'segment', entry.segment) -%}
        {%- endif -%}
        {%- set outcomes = ([entry.primary_metric] + entry.get('guardrail_metrics', [])) | unique(case_sensitive=true) | list -%}
        {%- do check_experiment_metrics(subject, outcomes, entry.get('lower_is_better', [])) -%}
        {%- do check_experiment_layer(subject, entry, checked.values()) if entry.layer is defined -%}
        {%- do checked.update({entry.name: {
            'name': entry.name,
            'hypothesis': entry.hypothesis,
            'segment': entry.get('segment'),
            'cells': experiment_cells(subject, entry),
            'control': entry.get('control', 'control') if entry.variants is defined else none,
            'factors': entry.get('factors', {}),
            'metrics': outcomes,
            'lower_is_better': entry.get('lower_is_better', []),
            'start': entry.start | string,
            'end': entry.end | string,
            'pre_period_days': entry.get('pre_period_days'),
            'lift': entry.get('lift'),
            'layer': entry.get('layer'),
        }}) -%}
    {%- endfor -%}
    {%- do cache.update({key: checked.values() | list}) -%}
    {{- return(cache[key]) -}}
{% endmacro %}


{#- A cell is a variant, or in a factorial design one level of each factor, such as short+low. -#}
{% macro experiment_cells(subject, entry) %}
    {%- if (entry.variants is defined) == (entry.factors is defined) -%}
        {%- do definition_error(subject, '', 'variants and factors' if entry.variants is defined else 'neither variants nor factors', 'either variants or factors') -%}
    {%- elif entry.factors is defined and (entry.factors | length < 2 or entry.control is defined) -%}
        {%- do definition_error(subject, 'factors', 'one factor' if entry.factors | length < 2 else 'control beside it', 'two or more factors, of which the first level of each is the control') -%}
    {%- endif -%}
    {%- set parts = entry.factors if entry.factors is defined else {'variants': entry.variants} -%}
    {%- for part, levels in parts.items() -%}
        {%- set place = ('factors.' if entry.factors is defined else '') ~ part -%}
        {%- set total = levels.values() | sum -%}
        {%- for name in [part] + levels | list if name is not string -%}
            {%- do definition_error(subject, place, format_value(name), 'a name in quotes, since YAML reads this as a number, or as true or false') -%}
        {%- endfor -%}
        {%- if levels | length < 2 -%}
            {%- do definition_error(subject, place, format_value(levels), 'at least two') -%}
        {%- elif total < 0.999999 or total > 1.000001 -%}
            {%- do definition_error(subject, place, 'shares that add up to ' ~ total | round(6), 'shares that add up to 1') -%}
        {%- endif -%}
        {%- for level in levels if not modules.re.fullmatch('[A-Za-z0-9_.-]+', level) -%}
            {%- do definition_error(subject, place, format_value(level), 'names of letters, digits, _, . and -') -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if entry.variants is defined and entry.get('control', 'control') not in entry.variants -%}
        {%- do definition_error(subject, 'control', format_value(entry.get('control', 'control')), 'one of the variants: ', entry.variants | list) -%}
    {%- endif -%}
    {%- set product = namespace(cells=[{'variant': '', 'share': 1, 'levels': {}}]) -%}
    {%- for part, levels in parts.items() -%}
        {%- set longer = [] -%}
        {%- for cell in product.cells -%}
            {%- for level, share in levels.items() -%}
                {%- do longer.append({
                    'variant': cell.variant ~ ('+' if cell.variant else '') ~ level,
                    'share': cell.share * share,
                    'levels': dict(cell.levels, **{part: level}),
                }) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- set product.cells = longer -%}
    {%- endfor -%}
    {{- return(product.cells) -}}
{% endmacro %}


{#- The value of a metric has to follow from the rows of any days. -#}
{% macro check_experiment_metrics(subject, outcomes, lower_is_better) %}
    {%- for name in outcomes if name in metrics() -%}
        {%- if metrics()[name].table == 'topics' or metrics()[name].aggregate in ['monthly_mean', 'monthly_trend'] -%}
            {%- do definition_error(subject, 'primary_metric' if name == outcomes[0] else 'guardrail_metrics', format_value(name), 'a metric that is neither of topics nor by month') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for name in lower_is_better if name not in outcomes -%}
        {%- do definition_error(subject, 'lower_is_better', format_value(name), 'metrics of the experiment: ', outcomes, name) -%}
    {%- endfor -%}
{% endmacro %}


{% macro check_experiment_layer(subject, entry, earlier) %}
    {%- set layer = entry.layer -%}
    {%- if layer['from'] >= layer.below -%}
        {%- do definition_error(subject, 'layer', 'from ' ~ layer['from'] ~ ' below ' ~ layer.below, 'from less than below') -%}
    {%- endif -%}
    {%- for other in earlier if other.layer and other.layer.name == layer.name -%}
        {%- set share_customers = layer['from'] < other.layer.below and other.layer['from'] < layer.below -%}
        {%- if share_customers and entry.start | string <= other.end and other.start <= entry.end | string -%}
            {%- do definition_error(subject, 'layer', "customers of experiment '" ~ other.name ~ "', which runs at the same time", 'a range of the layer that no other experiment has on these days') -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{% macro declared_experiments() -%}
{%- set rows = [] -%}
{%- for one in experiments() -%}
{%- do rows.append([one.name, one.hypothesis, one.start, one.end, one.pre_period_days, tojson(one)]) -%}
{%- endfor -%}
{{ inline_rows({
    'experiment_id': 'string', 'hypothesis': 'string', 'starts_on': 'date', 'ends_on': 'date', 'pre_period_days': 'integer', 'plan': 'string',
}, rows) }}
{%- endmacro %}


{% macro declared_variants() -%}
{%- set rows = [] -%}
{%- for experiment in experiments() -%}
{%- for cell in experiment.cells -%}
{%- do rows.append([experiment.name, cell.variant]) -%}
{%- endfor -%}
{%- endfor -%}
{{ inline_rows({'experiment_id': 'string', 'variant': 'string'}, rows) }}
{%- endmacro %}


{% macro declared_outcomes() -%}
{%- set rows = [] -%}
{%- for experiment in experiments() -%}
{%- for metric in experiment.metrics -%}
{%- do rows.append([experiment.name, metric, loop.first]) -%}
{%- endfor -%}
{%- endfor -%}
{{ inline_rows({'experiment_id': 'string', 'metric': 'string', 'is_primary': 'boolean'}, rows) }}
{%- endmacro %}


{#- conversion is no metric of the list: it is orders, yes or no. -#}
{% macro derived_outcomes() %}
    {%- set derived = {} -%}
    {%- for name in experiments() | map(attribute='metrics') | sum(start=[]) if name in metrics() or name == 'conversion' -%}
        {%- set metric = metrics()['orders' if name == 'conversion' and name not in metrics() else name] -%}
        {%- set window = {'metric': metric.key, 'absent': metric.absent, 'kind': 'days', 'from_days_ago': none, 'to_days_ago': 0, 'where': []} -%}
        {%- set value = metric_absent(window, metric_aggregate(metric, window, 'facts.day', 'periods.as_of')) -%}
        {%- do derived.update({name: {
            'table': metric.table,
            'value': value if name == metric.key else 'case when ' ~ value ~ ' > 0 then 1 else 0 end',
        }}) -%}
    {%- endfor -%}
    {{- return(derived) -}}
{% endmacro %}


{% macro assign_variant(unit, experiment, allocation) -%}
case
    {%- set point = namespace(below=0) %}
    {%- for variant, share in (allocation.items() | list)[:-1] %}
    {%- set point.below = point.below + share %}
    when {{ hashed_share(["'variant'", sql_literal(experiment), unit]) }} < {{ point.below | round(9) }} then {{ sql_literal(variant) }}
    {%- endfor %}
    else {{ sql_literal(allocation | list | last) }}
end
{%- endmacro %}


{#- One hash per factor, so that the levels of one say nothing about those of another. -#}
{% macro assign_cell(unit, experiment) -%}
{%- if experiment.factors -%}
{%- for factor, levels in experiment.factors.items() -%}
{{ assign_variant(unit, experiment.name ~ '/' ~ factor, levels) }}{{ " || '+' || " if not loop.last }}
{%- endfor -%}
{%- else -%}
{%- set shares = {} -%}
{%- for cell in experiment.cells -%}
{%- do shares.update({cell.variant: cell.share}) -%}
{%- endfor -%}
{{ assign_variant(unit, experiment.name, shares) }}
{%- endif -%}
{%- endmacro %}


{% macro is_in_layer(unit, layer) -%}
{%- set point = hashed_share(["'layer'", sql_literal(layer.name), unit]) -%}
({{ point }} >= {{ layer['from'] }} and {{ point }} < {{ layer.below }})
{%- endmacro %}


{% macro is_held_out(unit) %}
    {{- return(hashed_share(["'holdout'", unit]) ~ ' < ' ~ setting('holdout_share')) -}}
{% endmacro %}


{#- Logged as one line of JSON, because an operation of dbt returns nothing to its caller. -#}
{% macro assignment_query(name) %}
    {%- set declared = experiments() | map(attribute='name') | list -%}
    {%- if name not in declared -%}
        {%- do definition_error('EXPERIMENT', '', format_value(name), 'an experiment of var experiments: ', declared, name) -%}
    {%- endif -%}
    {%- set experiment = experiments() | selectattr('name', 'equalto', name) | first -%}
    {#- Of all references, as a build reads assignments; and of all customers, since those assigned may have left the segment. -#}
    {%- set owners -%}
select
    customer_references.source_system,
    customer_references.customer_ref,
    customers.customer_id,
    customers.may_be_contacted,
    customers.is_held_out
from ({{ eligible_references() }}) as customer_references
inner join {{ ref('int_identity__customers_resolved') }} as resolved
    on customer_references.customer_key = resolved.customer_key
inner join {{ ref('customers') }} as customers on resolved.customer_id = customers.customer_id
    {%- endset -%}
    {%- set query -%}
with members as (
    {%- if experiment.segment %}
    select distinct customer_id
    from {{ ref('segment_memberships') }}
    where segment_key = {{ sql_literal(experiment.segment) }}
    {%- else %}
    select customer_id
    from {{ ref('customer_features') }}
    {%- endif %}
),

contacts as (
    select
        customer_id,
        source_system,
        customer_ref,
        row_number() over (partition by customer_id order by source_system, customer_ref) as position
    from {{ ref('customer_records') }}
    where customer_ref is not null
),

assigned as (
    select distinct owners.customer_id
    from {{ ref('stg_experiment_assignments') }} as assignments
    inner join ({{ owners }}) as owners
        on
            assignments.source_system = owners.source_system
            and assignments.customer_ref = owners.customer_ref
    where assignments.experiment_id = {{ sql_literal(name) }}
)

select
    customers.customer_id,
    contacts.source_system,
    contacts.customer_ref,
    {{ assign_cell('customers.customer_id', experiment) | indent(4) }} as variant,
    customers.may_be_contacted,
    customers.is_held_out,
    {{ is_in_layer('customers.customer_id', experiment.layer) if experiment.layer else 'true' }} as is_in_layer,
    assigned.customer_id is not null as is_assigned
from members
inner join {{ ref('customers') }} as customers on members.customer_id = customers.customer_id
inner join contacts on members.customer_id = contacts.customer_id and contacts.position = 1
left join assigned on members.customer_id = assigned.customer_id
    {%- endset -%}
    {%- do log(tojson({
        'query': query,
        'owners': owners,
        'as_of': 'select as_of from ' ~ ref('int_periods') ~ ' where is_current',
        'timezone': setting('timezone'),
        'start': experiment.start,
        'end': experiment.end,
        'cells': experiment.cells | map(attribute='variant') | list,
    }), info=true) -%}
{% endmacro %}
