{#-
    Identifiers in one spelling, so that equal means equal. First folded_text, then the macro for the kind of identifier,
    which takes a folded column. Each gives null where nothing is left.
-#}

{#- Text without what the eye doesn't see: NFKC, case-folded, trimmed, no zero-width signs, no look-alike letters in a Latin word. -#}
{% macro folded_text(expression) %}
    {{- return(adapter.dispatch('folded_text', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__folded_text(expression) -%}
    {#- The function costs a call into Python per value, which plain ASCII doesn't need. -#}
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


{#- Plain letters and digits: no accents, apostrophes or dots, single blanks between the words. For names and streets. -#}
{% macro plain_words(expression) -%}
    nullif(trim({{ regex_replace(
        regex_replace(without_accents(expression), "[''`.\u2019]", ''), '[^\\p{L}\\p{N}]+', ' '
    ) }}), '')
{%- endmacro %}


{#- A street and number in plain words, the usual ones for kinds of street abbreviated. -#}
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


{#- An e-mail address without plus-addressing. Null unless it has the form of one. -#}
{% macro normalised_email(expression) -%}
{%- set text = regex_replace(expression, '\\s', '') -%}
    case
        when {{ regex_matches(text, '^' ~ email_form() ~ '$') }}
            then {{ regex_replace(text, '[+][^@]*@', '@') }}
    end
{%- endmacro %}


{#-
    A phone number as its last nine digits, which are the same whatever comes before them: +1, 001, a zero or nothing.
    Null where there are fewer than seven.
-#}
{% macro normalised_phone(expression) -%}
{%- set digits = regex_replace(expression, '[^0-9]', '') -%}
    case when length({{ digits }}) >= 7 then right({{ digits }}, 9) end
{%- endmacro %}


{#- A postcode in capitals without blanks and signs; of a long US code the five digits of the place. -#}
{% macro normalised_postcode(expression) -%}
{%- set text = regex_replace("upper(" ~ expression ~ ")", '[^A-Z0-9]', '') -%}
    nullif(case when {{ regex_matches(text, '^[0-9]{9}$') }} then left({{ text }}, 5) else {{ text }} end, '')
{%- endmacro %}


{#- Whether an e-mail address belongs to a role and not to a person, such as info@. -#}
{% macro is_role_mailbox(email) -%}
split_part({{ email }}, '@', 1) in (
    'accounts', 'admin', 'billing', 'contact', 'customerservice', 'enquiries', 'hello', 'help', 'hr', 'info', 'jobs',
    'mail', 'marketing', 'no-reply', 'noreply', 'office', 'orders', 'post', 'postmaster', 'reception', 'sales',
    'service', 'shop', 'support', 'team', 'webmaster'
)
{%- endmacro %}


{#- Whether a word mixes Latin letters with Cyrillic or Greek ones, as look-alikes do. -#}
{% macro has_mixed_scripts(expression) -%}
coalesce(
    {{ regex_matches(expression, '[A-Za-z]') }} and {{ regex_matches(expression, '[\u0370-\u04FF]') }},
    false
)
{%- endmacro %}
