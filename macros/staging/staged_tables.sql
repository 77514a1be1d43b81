{#-
    What the counts, the quarantine and the coverage have to know of each table of the input contract, of which all are
    staged:
    key: the column that names a row in the quarantine, or SQL of it.
    columns: the optional columns, whose completeness is told.
    unusable: those of them whose values may be unusable; they are counted and their validity is told.
    reasons: what else is noted beside an unusable value.
    day: the local date by which rows can lie on or after as_of.
    seen_at: SQL of the instant by which a table is fresh.
    has_source_system, has_customer_ref: false where the table has no such column.
-#}
{% macro staged_tables() %}
    {% set tables = {
        'orders': {
            'key': 'order_id',
            'columns': ['customer_ref', 'campaign_id', 'currency', 'channel', 'loaded_at'],
            'unusable': ['loaded_at'],
            'day': 'ordered_on',
            'seen_at': 'coalesce(loaded_at, ordered_at)',
        },
        'order_lines': {
            'key': 'order_id',
            'columns': ['product_id', 'quantity', 'amount', 'discount_amount'],
            'unusable': ['quantity', 'amount', 'discount_amount'],
            'has_customer_ref': false,
        },
        'products': {
            'key': 'product_id',
            'columns': ['name', 'category', 'subcategory', 'brand'],
            'has_source_system': false,
            'has_customer_ref': false,
        },
        'customers': {
            'key': 'record_id',
            'columns': [
                'email', 'phone', 'given_name', 'family_name', 'birth_date', 'street', 'city', 'postcode', 'region',
                'country', 'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier', 'created_at',
                'updated_at', 'loaded_at', 'is_internal'
            ],
            'unusable': ['email', 'birth_date', 'created_at', 'updated_at', 'loaded_at', 'is_internal'],
            'reasons': ['ambiguous_birth_date', 'implausible_birth_date'],
            'seen_at': 'coalesce(loaded_at, updated_at, created_at)',
        },
        'identity_links': {
            'key': 'coalesce(customer_ref, anonymous_id, device_id)',
            'columns': ['customer_ref', 'anonymous_id', 'device_id', 'seen_at'],
            'unusable': ['seen_at'],
            'day': 'seen_on',
            'seen_at': 'seen_at',
        },
        'consents': {
            'key': 'customer_ref',
            'columns': ['recorded_at', 'readable_granted'],
            'unusable': ['recorded_at', 'readable_granted'],
            'seen_at': 'recorded_at',
        },
        'erasure_requests': {'key': 'customer_ref', 'columns': ['requested_at'], 'seen_at': 'requested_at'},
        'events': {
            'key': 'event_id',
            'columns': [
                'anonymous_id', 'customer_ref', 'session_id', 'product_id', 'campaign_id', 'page', 'device', 'country',
                'referrer', 'loaded_at'
            ],
            'unusable': ['loaded_at'],
            'day': 'occurred_on',
            'seen_at': 'coalesce(loaded_at, occurred_at)',
        },
        'tickets': {
            'key': 'ticket_id',
            'columns': ['customer_ref', 'opened_at', 'channel', 'body', 'rating'],
            'unusable': ['opened_at', 'channel', 'rating'],
            'day': 'opened_on',
            'seen_at': 'opened_at',
        },
        'campaigns': {
            'key': 'campaign_id',
            'columns': ['name', 'type', 'starts_on', 'ends_on'],
            'unusable': ['starts_on', 'ends_on'],
            'reasons': ['ambiguous_starts_on', 'ambiguous_ends_on'],
            'has_source_system': false,
            'has_customer_ref': false,
        },
        'campaign_contacts': {
            'key': 'campaign_id',
            'columns': ['contacted_at'],
            'unusable': ['contacted_at'],
            'day': 'contacted_on',
            'seen_at': 'contacted_at',
        },
        'campaign_responses': {
            'key': 'campaign_id',
            'columns': ['responded_at', 'amount'],
            'unusable': ['responded_at', 'amount'],
            'day': 'responded_on',
            'seen_at': 'responded_at',
        },
        'experiment_assignments': {
            'key': 'experiment_id',
            'columns': ['assigned_at'],
            'unusable': ['assigned_at'],
            'day': 'assigned_on',
            'seen_at': 'assigned_at',
        },
        'experiment_outcomes': {'key': 'experiment_id', 'columns': ['value'], 'unusable': ['value']},
        'activation_receipts': {
            'key': 'change_id',
            'columns': ['handed_over_at'],
            'unusable': ['handed_over_at'],
            'day': 'handed_over_on',
            'seen_at': 'handed_over_at',
            'has_source_system': false,
            'has_customer_ref': false,
        },
        'control_totals': {
            'key': 'table_name',
            'columns': ['row_count', 'amount'],
            'unusable': ['row_count', 'amount'],
            'has_customer_ref': false,
        },
    } %}
    {% set defaults = {
        'unusable': [], 'reasons': [], 'day': none, 'seen_at': none, 'has_source_system': true, 'has_customer_ref': true
    } %}
    {% for name, facts in tables.items() %}
        {% do tables.update({name: dict(defaults, **facts)}) %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}


{#- The number of rejected lines of a table, in a model with a CTE `rejected_lines`. -#}
{% macro rejected_lines_of(table) -%}
coalesce((select rejected_lines.value from rejected_lines where rejected_lines.source_table = '{{ table }}'), 0)
{%- endmacro %}


{#- SQL of what a mapping says of a source table, a number or text; null where it says nothing. -#}
{% macro value_of_table(source_table, values) -%}
case {{ source_table }}
    {%- for table, value in values.items() %}
    when '{{ table }}' then {{ value if value is number else sql_literal(value) }}
    {%- endfor %}
    when '' then null
end
{%- endmacro %}
