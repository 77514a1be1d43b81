{% macro regex_replace(expression, pattern, replacement) %}
    {{- return(adapter.dispatch('regex_replace', 'customer_segmentation')(expression, pattern, replacement)) -}}
{% endmacro %}

{% macro default__regex_replace(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}

{% macro spark__regex_replace(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, {{ spark__pattern(pattern) }}, '{{ replacement.replace('\\', '$') }}')
{%- endmacro %}

{#-
    A pattern of DuckDB, RE2 inside a literal, as one of Java. There $ also comes before a last line break, (?d) lets the dot
    match all line breaks but that of Unix, and \p{C} has code points that aren't assigned.
-#}
{% macro spark__pattern(pattern) %}
    {%- set whole = pattern.replace('\\p{C}', '\\p{Cc}\\p{Cf}\\p{Co}') -%}
    {%- set whole = whole[:-1] ~ '\\z' if whole.endswith('$') else whole -%}
    {{- return("'(?d)" ~ whole.replace('\\', '\\\\').replace("''", "\\'") ~ "'") -}}
{% endmacro %}


{% macro regex_matches(expression, pattern) %}
    {{- return(adapter.dispatch('regex_matches', 'customer_segmentation')(expression, pattern)) -}}
{% endmacro %}

{% macro default__regex_matches(expression, pattern) -%}
    regexp_matches({{ expression }}, '{{ pattern }}')
{%- endmacro %}

{% macro spark__regex_matches(expression, pattern) -%}
    {{ expression }} rlike {{ spark__pattern(pattern) }}
{%- endmacro %}


{% macro without_accents(expression) %}
    {{- return(adapter.dispatch('without_accents', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro default__without_accents(expression) -%}
    strip_accents({{ expression }})
{%- endmacro %}

{#- ICU comes with Spark, which compares texts by it. Plain ASCII needs no call. -#}
{% macro spark__without_accents(expression) -%}
    {%- set letters = "reflect('com.ibm.icu.text.Normalizer', 'decompose', " ~ expression ~ ', false)' -%}
    case
        when {{ expression }} is null or {{ regex_matches(expression, '^[ -~]*$') }} then {{ expression }}
        else reflect('com.ibm.icu.text.Normalizer', 'compose', {{ regex_replace(letters, '\\p{M}+', '') }}, false)
    end
{%- endmacro %}


{% macro jaro_winkler(left, right) %}
    {{- return(adapter.dispatch('jaro_winkler', 'customer_segmentation')(left, right)) -}}
{% endmacro %}

{% macro default__jaro_winkler(left, right) -%}
    jaro_winkler_similarity({{ left }}, {{ right }})
{%- endmacro %}

{#-
    Jaro's similarity with Winkler's bonus above 0.7. places has, for each matched letter of the left text, its place in the
    right one; sorted, they give the order of the right text, and letters that differ are half transpositions.
-#}
{% macro spark__jaro_winkler(left, right) -%}
    element_at(transform(array(named_struct('l', {{ left }}, 'r', {{ right }})), pair -> element_at(transform(array(aggregate(
        slice(sequence(0, length(pair.l)), 2, length(pair.l)),
        cast(array() as array<int>),
        (places, i) -> concat(places, slice(filter(
            slice(sequence(0, length(pair.r)), 2, length(pair.r)),
            j -> abs(i - j) <= greatest(greatest(length(pair.l), length(pair.r)) div 2 - 1, 0)
                and substr(pair.r, j, 1) = substr(pair.l, i, 1)
                and not array_contains(places, j)
        ), 1, 1))
    )), places -> case
        when size(places) = 0 then cast(0 as double)
        else element_at(transform(array((
            cast(size(places) as double) / length(pair.l)
            + cast(size(places) as double) / length(pair.r)
            + cast(size(places) - size(filter(
                zip_with(places, array_sort(places), (one, other) -> substr(pair.r, one, 1) <> substr(pair.r, other, 1)),
                is_moved -> is_moved
            )) div 2 as double) / size(places)
        ) / 3), jaro -> jaro + case
            when jaro > 0.7
                then size(filter(
                    sequence(1, 4),
                    n -> n <= least(length(pair.l), length(pair.r)) and left(pair.l, n) = left(pair.r, n)
                )) * 0.1D * (1 - jaro)
            else 0
        end), 1)
    end), 1)), 1)
{%- endmacro %}


{% macro edit_distance(left, right) %}
    {{- return(adapter.dispatch('edit_distance', 'customer_segmentation')(left, right)) -}}
{% endmacro %}

{% macro default__edit_distance(left, right) -%}
    damerau_levenshtein({{ left }}, {{ right }})
{%- endmacro %}

{#-
    Damerau and Levenshtein's distance, row by row of the matrix. A transposition reaches back to the last letter of the left
    text that is the right one's (back letters before i), and to the last letter of the right text that is the left one's.
-#}
{% macro spark__edit_distance(left, right) -%}
    {%- set back = 'locate(substr(pair.r, j, 1), reverse(left(pair.l, i - 1)))' -%}
    element_at(transform(array(named_struct('l', {{ left }}, 'r', {{ right }})), pair -> aggregate(
        slice(sequence(0, length(pair.l)), 2, length(pair.l)),
        array(sequence(0, length(pair.r))),
        (matrix, i) -> concat(matrix, array(aggregate(
            slice(sequence(0, length(pair.r)), 2, length(pair.r)),
            named_struct('cells', array(i), 'met', 0),
            (row, j) -> named_struct(
                'cells', concat(row.cells, array(least(
                    get(row.cells, j - 1) + 1,
                    get(get(matrix, i - 1), j) + 1,
                    get(get(matrix, i - 1), j - 1) + case when substr(pair.l, i, 1) = substr(pair.r, j, 1) then 0 else 1 end,
                    case
                        when row.met > 0 and {{ back }} > 0
                            then get(get(matrix, i - {{ back }} - 1), row.met - 1) + {{ back }} + j - row.met - 1
                    end
                ))),
                'met', case when substr(pair.l, i, 1) = substr(pair.r, j, 1) then j else row.met end
            ),
            row -> row.cells
        ))),
        matrix -> get(get(matrix, length(pair.l)), length(pair.r))
    )), 1)
{%- endmacro %}
