{#-
    Whether parameters are fitted again at a date after the first: see var refit_* and reselect_models. In a model with
    as_of and previous_as_of.
-#}
{% macro is_refit_date(var_name) -%}
{%- set unit = setting(var_name) -%}
{%- if unit in ['period', 'never'] -%}
{{ unit == 'period' }}
{%- else -%}
{{ dbt.date_trunc(unit, 'as_of') }} > {{ dbt.date_trunc(unit, 'previous_as_of') }}
{%- endif -%}
{%- endmacro %}
