{#- A few thousand different values per segment at most, however many members; the shares hardly change. -#}
{% macro round_to_three_significant_digits(expression) -%}
cast(
    case
        {%- for unit in [1, 10, 100, 1000] %}
        when abs({{ expression }}) < {{ 1000 * unit }}
            then round(cast({{ expression }} as double) / {{ unit }}) * {{ unit }}
        {%- endfor %}
        else round(cast({{ expression }} as double) / 10000) * 10000
    end as bigint
)
{%- endmacro %}


{% macro fitted_by(scheme) -%}
case
    when {{ scheme }} = 'all' then 'models'
    {%- for name, fitted in dict(fitted_schemes(), rule='cutpoints').items() %}
    when {{ scheme }} = '{{ name }}' then '{{ fitted }}'
    {%- endfor %}
    else 'vars'
end
{%- endmacro %}


{#- The baseline of new parameters says something only of schemes that are fitted with them. -#}
{% macro paired_with_baselines(counts, columns=[]) -%}
{%- set ids = ['scheme', 'segment_key'] + columns -%}
select
    period,
    baseline,
    baseline_as_of,
    {{ ids | join(',\n    ') }},
    sum(customers) as customers,
    sum(baseline_customers) as baseline_customers
from (
    {%- for is_now in [true, false] %}
    select
        baselines.period,
        baselines.baseline,
        baselines.baseline_as_of,
        {%- for id in ids %}
        {{ counts }}.{{ id }},
        {%- endfor %}
        {{ counts ~ '.customers' if is_now else '0' }} as customers,
        {{ '0' if is_now else counts ~ '.customers' }} as baseline_customers
    from {{ ref('int_periods__baselines') }} as baselines
    inner join {{ counts }}
        on
            baselines.{{ 'period' if is_now else 'baseline_as_of' }} = {{ counts }}.period
            and (baselines.parameters is null or baselines.parameters = {{ fitted_by(counts ~ '.scheme') | indent(12) }})
    {{- ' union all' if is_now }}
    {%- endfor %}
) as sides
group by period, baseline, baseline_as_of, {{ ids | join(', ') }}
{%- endmacro %}


{#-
    By scheme or key of a rule segment, the columns that its definition names: in its rules, in rules and schemes that these refer to,
    as a feature of clusters or as an input of a score that is one or is named.
-#}
{% macro columns_of_definitions() %}
    {%- set named = {'rfm': ['recency_days__all', 'orders__all'], 'spend_breaks': ['revenue__all']} -%}
    {%- for scheme, features in cluster_schemes().items() -%}
        {%- set columns = features | map(attribute='column') | list -%}
        {%- do named.update({scheme: columns + score_parts() | selectattr('score', 'in', columns) | map(attribute='value') | list}) -%}
    {%- endfor -%}
    {%- set definitions = {} -%}
    {%- for name, scheme in schemes().items() -%}
        {%- do definitions.update({name: scheme.conditions}) -%}
    {%- endfor -%}
    {%- for segment in rule_segments() -%}
        {%- do definitions.update({segment.segment_key: segment.conditions}) -%}
    {%- endfor -%}
    {%- for key, conditions in definitions.items() -%}
        {%- set columns = [] -%}
        {%- for condition in conditions -%}
            {%- do columns.extend([condition.column] + condition.get('windows', []) | map(attribute='column') | list if condition.kind != 'segment' else named.get(condition.scheme or condition.column, [])) -%}
        {%- endfor -%}
        {%- do named.update({key: columns + score_parts() | selectattr('score', 'in', columns) | map(attribute='value') | list}) -%}
    {%- endfor -%}
    {{- return(named) -}}
{% endmacro %}


{#- By metric of segment_drift, the schemes and rule segments whose definition names it over any window. -#}
{% macro segments_defined_by() %}
    {%- set defined_by, named = {}, columns_of_definitions() -%}
    {%- for metric, inputs in {'recency_days': 'recency_days__', 'frequency': 'orders__|monetary_mean', 'monetary': 'revenue__|monetary_mean'}.items() -%}
        {%- set defined = {'schemes': [], 'segments': []} -%}
        {%- for key, columns in named.items() if modules.re.search('\\b(' ~ inputs ~ ')', columns | join(' ')) -%}
            {%- do defined['segments' if ':' in key else 'schemes'].append(key) -%}
        {%- endfor -%}
        {%- do defined_by.update({metric: defined, metric.replace('_days', '') ~ '_score': defined}) -%}
    {%- endfor -%}
    {{- return(defined_by) -}}
{% endmacro %}


{#- Pearson (1900). The two terms of a bin add up to one square: both differ equally from the expected numbers. -#}
{% macro two_row_chi_square(now, baseline, all_now, all_baseline) -%}
sum(
    power({{ now }} * cast({{ all_baseline }} as double) - {{ baseline }} * cast({{ all_now }} as double), 2)
    / (({{ now }} + {{ baseline }}) * cast({{ all_now }} as double) * {{ all_baseline }})
)
{%- endmacro %}


{#- Wilson and Hilferty (1931), within 2%. -#}
{% macro chi_square_critical_value(degrees) -%}
{%- set spread = '2 / (9 * nullif(cast(' ~ degrees ~ ' as double), 0))' -%}
{{ degrees }} * power(1 - {{ spread }} + 4.265 * sqrt({{ spread }}), 3)
{%- endmacro %}
