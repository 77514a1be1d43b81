{% macro is_refit_date(var_name) -%}
{%- set unit = setting(var_name) -%}
{%- if unit in ['period', 'never'] -%}
{{ unit == 'period' }}
{%- else -%}
{{ dbt.date_trunc(unit, 'as_of') }} > {{ dbt.date_trunc(unit, 'previous_as_of') }}
{%- endif -%}
{%- endmacro %}
