{#- Whether parameters are fitted again at a date after the first: see var refit_*. In a model with as_of and previous_as_of. -#}
{% macro is_refit_date(var_name) -%}
{%- set unit = choice_var(var_name, ['period', 'quarter', 'year']) -%}
{%- if unit == 'period' -%}
true
{%- else -%}
{{ dbt.date_trunc(unit, 'as_of') }} > {{ dbt.date_trunc(unit, 'previous_as_of') }}
{%- endif -%}
{%- endmacro %}
