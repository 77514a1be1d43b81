{#- Whether a row of the calendar in int_periods is a date at which parameters are fitted again: see var refit_*. -#}
{% macro is_refit_date(var_name) -%}
has_buyers and {{ {'period': 'true', 'quarter': '(is_first or starts_quarter)', 'year': '(is_first or starts_year)'}[choice_var(var_name, ['period', 'quarter', 'year'])] }}
{%- endmacro %}
