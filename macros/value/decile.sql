{#- By rank and not ntile: equal values are in one decile, whatever the order of the rows. -#}
{% macro decile(expression, part) -%}
cast(
    1 + floor(
        10 * (rank() over (partition by {{ part }} order by {{ expression }}) - 1)
        / count(*) over (partition by {{ part }})
    ) as integer
)
{%- endmacro %}
