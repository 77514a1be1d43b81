{#- Without rows the query still has its columns. -#}
{% macro inline_rows(columns, rows) -%}
{%- for row in rows or [[]] %}
select
    {%- for name, type in columns.items() %}
    {%- set value = row[loop.index0] %}
    cast({{ sql_literal(value) if value is string else 'null' if value is none or not rows else value | string | lower }} as {{ api.Column.translate_type(type) }}) as {{ name }}
    {{- ',' if not loop.last }}
    {%- endfor %}
{{ 'where false' if not rows else 'union all' if not loop.last }}
{%- endfor %}
{%- endmacro %}
