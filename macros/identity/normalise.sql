{#- Identifiers in one spelling, so that equal means equal: folded_text first, then the macro for the kind of identifier. -#}

{% macro folded_text(expression) %}
    {{- return(adapter.dispatch('folded_text', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__folded_text(expression) -%}
    {#- Plain ASCII needs no call into Python, which costs time for each value. -#}
    nullif(
        trim(
            case
                when regexp_full_match({{ expression }}, '[ -~]*') then lower({{ expression }})
                else segmentation_fold_text({{ expression }})
            end
        ),
        ''
    )
{%- endmacro %}

{% macro spark__folded_text(expression) -%}
    nullif(
        trim(
            case
                when {{ regex_matches(expression, '^[ -~]*$') }} then lower({{ expression }})
                else {{ spark__fold_text(expression) }}
            end
        ),
        ''
    )
{%- endmacro %}

{#- As fold_text of identity/identifiers.py, with ICU, which comes with Spark. -#}
{% macro spark__fold_text(expression) -%}
    array_join(
        transform(
            split({{ regex_replace(spark__case_folded(expression), '\\p{Cf}', '') }}, {{ spark__pattern('[\\s\\x1c-\\x1f\\x85\\p{Z}]+') }}),
            word -> case
                when word rlike '[a-z]' then translate(word, 'асеорхуіјѕԁһӏьвнкмтαορντικυχγ', 'aceopxyijsdhlbbhkmtaopvtikuxy')
                else word
            end
        ),
        ' '
    )
{%- endmacro %}

{#- NFKC and Unicode's full case folding. reflect fails on null. -#}
{% macro spark__case_folded(expression) -%}
    case
        when {{ expression }} is not null
            then reflect('com.ibm.icu.lang.UCharacter', 'foldCase', reflect('com.ibm.icu.text.Normalizer', 'compose', {{ expression }}, true), true)
    end
{%- endmacro %}


{% macro plain_words(expression) -%}
    nullif(trim({{ regex_replace(
        regex_replace(without_accents(expression), "[''`.\u2019]", ''), '[^\\p{L}\\p{N}]+', ' '
    ) }}), '')
{%- endmacro %}


{% macro normalised_street(expression) -%}
{%- set words = {
    'street': 'st', 'avenue': 'ave', 'road': 'rd', 'boulevard': 'blvd', 'drive': 'dr', 'lane': 'ln', 'court': 'ct',
    'place': 'pl', 'apartment': 'apt', 'north': 'n', 'south': 's', 'east': 'e', 'west': 'w'
} -%}
{%- set found = namespace(text="' ' || " ~ expression ~ " || ' '") -%}
{%- for word, short in words.items() -%}
    {%- set found.text = "replace(" ~ found.text ~ ", ' " ~ word ~ " ', ' " ~ short ~ " ')" -%}
{%- endfor -%}
    trim({{ found.text }})
{%- endmacro %}


{#- identity/identifiers.py normalises references by e-mail in the same way. -#}
{% macro normalised_email(expression) -%}
{%- set text = regex_replace(expression, '\\s', '') -%}
    case
        when {{ regex_matches(text, '^' ~ email_form() ~ '$') }}
            then {{ regex_replace(text, '(.)[+][^@]*@', '\\1@') }}
    end
{%- endmacro %}


{#- The last nine digits are the same after +1, 001, 0 or no prefix. -#}
{% macro normalised_phone(expression) -%}
{%- set digits = regex_replace(expression, '[^0-9]', '') -%}
    case when length({{ digits }}) >= 7 then right({{ digits }}, 9) end
{%- endmacro %}


{% macro normalised_postcode(expression) -%}
{%- set text = regex_replace("upper(" ~ expression ~ ")", '[^A-Z0-9]', '') -%}
    nullif(case when {{ regex_matches(text, '^[0-9]{9}$') }} then left({{ text }}, 5) else {{ text }} end, '')
{%- endmacro %}


{% macro has_mixed_scripts(expression) -%}
coalesce(
    {{ regex_matches(expression, '[A-Za-z]') }} and {{ regex_matches(expression, '[\u0370-\u04FF]') }},
    false
)
{%- endmacro %}
