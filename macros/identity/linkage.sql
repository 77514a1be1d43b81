{% macro linkage_comparisons() %}
    {%- set subject, comparisons = 'Var linkage_comparisons', var('linkage_comparisons') -%}
    {%- set column = {'one_of': ['given_name', 'family_name', 'birth_date', 'email', 'phone', 'address', 'postcode'], 'words': 'the columns '} -%}
    {%- set numbers = {'jaro_winkler': {'number': [0.000001, 1], 'words': 'a similarity above 0 and up to 1'}, 'edits': {'whole': [1]}} -%}
    {%- set pair = {'items': none, 'length': 2, 'words': 'two columns for swapped, a column and a number for jaro_winkler and edits'} -%}
    {%- do check(subject, '', comparisons, {'items': {'keys': {
        'name': name_kind(),
        'levels': {'items': {'keys': {}, 'optional': {'equal': column, 'swapped': pair, 'jaro_winkler': pair, 'edits': pair}}},
    }}}) -%}
    {%- for comparison in comparisons -%}
        {%- for level in comparison.levels -%}
            {%- set path = comparison.name ~ '.levels[' ~ loop.index0 ~ ']' -%}
            {%- if level | length != 1 -%}
                {%- do definition_error(subject, path, format_value(level), 'exactly one of equal, swapped, jaro_winkler, edits') -%}
            {%- endif -%}
            {%- for measure, value in level.items() if measure != 'equal' -%}
                {%- do check(subject, path ~ '.' ~ measure ~ '[0]', value[0], column) -%}
                {%- do check(subject, path ~ '.' ~ measure ~ '[1]', value[1], numbers.get(measure, column)) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(comparisons) }}
{% endmacro %}


{% macro linkage_level(comparison, left, right) -%}
{%- set measure, value = comparison.levels[0].items() | first -%}
case
    {%- for column in {'equal': [value], 'swapped': value}.get(measure, value[:1]) %}
    when {{ left }}.{{ column }} is null or {{ right }}.{{ column }} is null then null
    {%- endfor %}
    {%- for level in comparison.levels %}
    {%- set measure, value = level.items() | first %}
    {%- if measure == 'equal' %}
    when {{ left }}.{{ value }} = {{ right }}.{{ value }}
    {%- elif measure == 'swapped' %}
    {#- But for a typing error; _ALIKE of identity/comparisons.py has the same limit. #}
    when
        {{ jaro_winkler(left ~ '.' ~ value[0], right ~ '.' ~ value[1]) }} >= .9
        and {{ jaro_winkler(left ~ '.' ~ value[1], right ~ '.' ~ value[0]) }} >= .9
    {%- elif measure == 'jaro_winkler' %}
    when {{ jaro_winkler(left ~ '.' ~ value[0], right ~ '.' ~ value[0]) }} >= {{ value[1] }}
    {%- else %}
    when {{ edit_distance(left ~ '.' ~ value[0], right ~ '.' ~ value[0]) }} <= {{ value[1] }}
    {%- endif %}
        then {{ loop.index }}
    {%- endfor %}
    else 0
end
{%- endmacro %}
