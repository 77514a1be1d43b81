{#-
    The contract tables that are staged, each with the columns that name a row in the quarantine, the date by which
    rows can lie on or after as_of, and the optional fields whose unusable values are counted.
-#}
{% macro staged_tables() %}
    {{ return({
        'orders': {'key': 'order_id', 'day': 'ordered_on', 'fields': ['loaded_at']},
        'customers': {
            'key': 'record_id',
            'day': none,
            'fields': ['birth_date', 'created_at', 'updated_at', 'loaded_at', 'is_internal'],
        },
        'events': {'key': 'event_id', 'day': 'occurred_on', 'fields': ['loaded_at']},
        'consents': {'key': 'customer_ref', 'day': none, 'fields': ['recorded_at', 'readable_granted']},
        'erasure_requests': {'key': 'customer_ref', 'day': none, 'fields': []},
    }) }}
{% endmacro %}


{#- The names of all tables of the input contract, staged or not. -#}
{% macro contract_tables() %}
    {{ return([
        'orders', 'order_lines', 'products', 'customers', 'identity_links', 'consents', 'erasure_requests', 'events',
        'tickets', 'campaigns', 'campaign_contacts', 'campaign_responses', 'experiment_assignments',
        'experiment_outcomes', 'activation_receipts', 'control_totals'
    ]) }}
{% endmacro %}


{#- The number of rejected lines of a table, in a model with a CTE `rejected_lines`. -#}
{% macro rejected_lines_of(table) -%}
coalesce((select rejected_lines.value from rejected_lines where rejected_lines.source_table = '{{ table }}'), 0)
{%- endmacro %}
