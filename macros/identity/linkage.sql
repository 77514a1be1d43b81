{#-
    Pairs of records that are one person by rule: what each rule is called in the evidence, and what both records must
    agree in. A short form of a given name agrees with it. E-mails and phones that many people use count as unknown, see
    int_identity__identifiers.
-#}
{% macro sure_rules() %}
    {{ return({
        'name and birth date': ['given_name', 'family_name', 'birth_date'],
        'name and e-mail': ['given_name', 'email'],
        'name and phone': ['given_name', 'family_name', 'phone'],
        'name and address': ['given_name', 'family_name', 'address'],
        'birth date and e-mail': ['birth_date', 'email'],
        'birth date and phone': ['birth_date', 'phone'],
        'name and device': ['given_name', 'device'],
    }) }}
{% endmacro %}


{#- Lists of columns; two records that agree in all of one list are compared. An expression is of both records alike. -#}
{% macro linkage_blocks() %}
    {{ return([
        ['email'],
        ['phone'],
        ['name_in_any_order'],
        ['birth_date', 'given_initial'],
        ['birth_date', 'family_initial'],
        ['address', 'given_initial'],
        ['postcode', 'family_name', 'given_initial'],
        ['postcode', 'given_name'],
    ]) }}
{% endmacro %}


{#- The declared comparisons of records, checked: var linkage_comparisons. -#}
{% macro linkage_comparisons() %}
    {%- set comparisons = var('linkage_comparisons') -%}
    {%- set columns = ['given_name', 'family_name', 'birth_date', 'email', 'phone', 'address', 'postcode'] -%}
    {%- for comparison in comparisons -%}
        {%- for level in comparison.levels -%}
            {%- for measure, value in level.items() -%}
                {%- set expected = {
                    'equal': value is string and value in columns,
                    'swapped': value is sequence and value is not string and value | length == 2 and value[0] in columns and value[1] in columns,
                    'jaro_winkler': value is sequence and value is not string and value | length == 2 and value[0] in columns and value[1] is number and 0 < value[1] <= 1,
                    'edits': value is sequence and value is not string and value | length == 2 and value[0] in columns and value[1] is integer and value[1] >= 1,
                } -%}
                {%- if not expected.get(measure, false) -%}
                    {{ raise_config_error(
                        "Var linkage_comparisons: " ~ comparison.name ~ " has the level {" ~ measure ~ ": " ~ value ~ "}. Expected {equal: column}, "
                        ~ "{swapped: [column, column]}, {jaro_winkler: [column, similarity up to 1]} or {edits: [column, whole number]}, "
                        ~ "with a column out of " ~ columns | join(', ') ~ "."
                    ) }}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(comparisons) }}
{% endmacro %}


{#- The condition of one level on two relations of identifiers, such as {jaro_winkler: [given_name, .9]}. Null where a value is unknown. -#}
{% macro linkage_level_condition(level, left, right) -%}
{%- set measure, value = (level.items() | list)[0] -%}
{%- if measure == 'equal' -%}
    {{ left }}.{{ value }} = {{ right }}.{{ value }}
{%- elif measure == 'swapped' -%}
    {{ left }}.{{ value[0] }} = {{ right }}.{{ value[1] }} and {{ left }}.{{ value[1] }} = {{ right }}.{{ value[0] }}
{%- elif measure == 'jaro_winkler' -%}
    {{ jaro_winkler(left ~ '.' ~ value[0], right ~ '.' ~ value[0]) }} >= {{ value[1] }}
{%- else -%}
    {{ edit_distance(left ~ '.' ~ value[0], right ~ '.' ~ value[0]) }} <= {{ value[1] }}
{%- endif -%}
{%- endmacro %}


{#-
    The level of a comparison that two records are on: 1 for the first that holds, 0 for none, null where the first
    level's columns are unknown in either.
-#}
{% macro linkage_level(comparison, left, right) -%}
{%- set first = (comparison.levels[0].values() | list)[0] -%}
case
    {%- for column in ([first] if first is string else first if comparison.levels[0].keys() | list == ['swapped'] else [first[0]]) %}
    when {{ left }}.{{ column }} is null or {{ right }}.{{ column }} is null then null
    {%- endfor %}
    {%- for level in comparison.levels %}
    when {{ linkage_level_condition(level, left, right) }} then {{ loop.index }}
    {%- endfor %}
    else 0
end
{%- endmacro %}
