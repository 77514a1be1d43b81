{#- The fields of a CRM record for which the best known value is kept, direct identifiers first. -#}
{% macro golden_fields() %}
    {{ return([
        'given_name', 'family_name', 'birth_date', 'email', 'phone', 'street', 'city', 'postcode', 'region', 'country',
        'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier',
    ]) }}
{% endmacro %}
