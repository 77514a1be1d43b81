{#-
    The grain: the combination of columns is unique, and none of them is null. A broken grain is always an error.
    Grouping by a hash takes a fraction of the memory that the ids of millions of rows would.
-#}
{% test unique_combination(model, columns) %}
{{ config(severity='error') }}
with repeated as (
    select {{ quick_hash(columns) }} as key_hash
    from {{ model }}
    group by {{ quick_hash(columns) }}
    having count(*) > 1
)

select
    {{ columns | join(', ') }},
    count(*) as occurrences
from {{ model }}
where
    {{ quick_hash(columns) }} in (select key_hash from repeated)
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}
