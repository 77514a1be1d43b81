-- One row per customer with a CRM record: the surviving value of each field, and the record it comes from.
--
-- Survivorship: among the records with a value, the most trusted system wins (var trusted_sources), then the newest record,
-- then the most complete one, then the first by system and id. Fields are chosen one by one, so a new record with few
-- fields does not empty the others.

{{ config(schema='restricted') }}

{% set fields = [
    'given_name', 'family_name', 'birth_date', 'email', 'phone', 'street', 'city', 'postcode', 'region', 'country',
    'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier',
] -%}
{% set trusted = setting('trusted_sources') -%}

with records as (
    select * from {{ ref('int_identity__records') }}
),

crm_records as (
    select * from {{ ref('stg_customers') }}
),

facts as (
    select
        records.customer_key,
        records.record_key,
        crm_records.*,
        row_number() over (
            partition by records.customer_key
            order by
                {% if trusted -%}
                case crm_records.source_system
                    {%- for source in trusted %}
                    when {{ sql_literal(source) }} then {{ loop.index }}
                    {%- endfor %}
                    else {{ trusted | length + 1 }}
                end,
                {% endif -%}
                coalesce(crm_records.updated_at, crm_records.created_at, crm_records.loaded_at) desc nulls last,
                {% for field in fields -%}
                case when crm_records.{{ field }} is null then 0 else 1 end{{ ' + ' if not loop.last else ' desc,' }}
                {% endfor -%}
                crm_records.source_system asc,
                crm_records.record_id asc
        ) as position
    from records
    inner join crm_records
        on
            records.source_system = crm_records.source_system
            and records.record_id = crm_records.record_id
),

golden_records as (
    select
        customer_key,
        {% for field in fields -%}
        min_by({{ field }}, position) filter (where {{ field }} is not null) as {{ field }},
        min_by(record_key, position) filter (where {{ field }} is not null) as {{ field }}_from,
        {% endfor -%}
        max(is_internal) as is_internal
    from facts
    group by customer_key
)

select * from golden_records
