{#- The grain: no two rows agree in all of the columns, and none of them is null. A broken grain is always an error. -#}
{% test unique_combination(model, columns) %}
{{ config(severity='error') }}
select
    {{ columns | join(', ') }},
    count(*) as occurrences
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}
