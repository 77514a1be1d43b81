{#- Listed here, because dbt looks for refs before it knows the declared sources. -#}
{% macro contract_tables() %}
    {{ return([
        'orders', 'order_lines', 'products', 'customers', 'identity_links', 'consents', 'erasure_requests', 'events',
        'tickets', 'campaigns', 'campaign_contacts', 'campaign_responses', 'experiment_assignments',
        'experiment_outcomes', 'activation_receipts', 'control_totals'
    ]) }}
{% endmacro %}


{% macro staged_tables() %}
    {% set tables = {} %}
    {% for name in contract_tables() %}
        {% set source = graph.sources['source.customer_segmentation.input.' ~ name] if execute else {'meta': {}, 'columns': {}} %}
        {% set columns, unusable, reasons = [], [], [] %}
        {% for column in source.columns.values() %}
            {% set staged_as = column.meta.get('staged_as', column.name) %}
            {% set has_default = column.name in ['source_system', 'is_synthetic'] %}
            {% if column.meta.get('counted', not column.meta.get('required') and not has_default) %}
                {% do columns.append(staged_as) %}
                {% if column.meta.get('can_be_unusable', column.data_type is not none) %}
                    {% do unusable.append(staged_as) %}
                {% endif %}
            {% endif %}
            {% for reason in column.meta.get('reasons', []) %}
                {% do reasons.append(reason ~ '_' ~ column.name) %}
            {% endfor %}
        {% endfor %}
        {% set fresh_by = source.meta.get('fresh_by', []) %}
        {% do tables.update({name: {
            'key': source.meta.get('key'),
            'day': source.meta.get('day'),
            'seen_at': 'coalesce(' ~ fresh_by | join(', ') ~ ')' if fresh_by | length > 1 else fresh_by | first,
            'columns': columns,
            'unusable': unusable,
            'reasons': reasons,
            'has_source_system': 'source_system' in source.columns,
            'has_customer_ref': 'customer_ref' in source.columns,
        }}) %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}


{#- A unit test knows no properties: it takes all columns. -#}
{% macro loaded_rows(table) -%}
select
    {{ (model.columns.keys() | list or ['*']) | join(',\n    ') }}
from {{ ref('base_' ~ table) }}
where fate = 'loaded'
{%- endmacro %}


{% macro value_of_table(source_table, values) -%}
case {{ source_table }}
    {%- for table, value in values.items() %}
    when '{{ table }}' then {{ value if value is number else sql_literal(value) }}
    {%- endfor %}
    when '' then null
end
{%- endmacro %}
