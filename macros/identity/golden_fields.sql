{#- The fields of a CRM record for which the best known value is kept, direct identifiers first. -#}
{% macro golden_fields() %}
    {{ return([
        'given_name', 'family_name', 'birth_date', 'email', 'phone', 'street', 'city', 'postcode', 'region', 'country',
        'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier',
    ]) }}
{% endmacro %}


{#- The systems of var trusted_sources, checked, best first. -#}
{% macro trusted_sources() %}
    {% set sources = var('trusted_sources') %}
    {% if sources is string or sources is mapping or sources is not sequence or sources | reject('string') | list %}
        {% do raise_config_error("Var trusted_sources is '" ~ sources ~ "'. Expected a list of source systems, best first, such as [crm, shop].") %}
    {% endif %}
    {{ return(sources) }}
{% endmacro %}


{#- What records of one person must agree in: var identity_vetoes, checked. -#}
{% macro identity_vetoes() %}
    {% set vetoes = var('identity_vetoes') %}
    {% if vetoes is string or vetoes is mapping or vetoes is not sequence or vetoes | reject('in', ['given_name', 'birth_date']) | list %}
        {% do raise_config_error("Var identity_vetoes is '" ~ vetoes ~ "'. Expected a list of given_name and birth_date, or [].") %}
    {% endif %}
    {{ return(vetoes) }}
{% endmacro %}
