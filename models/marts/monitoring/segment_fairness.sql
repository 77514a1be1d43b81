-- How often groups of customers are in each segment. The numbers are rounded here: their last bits depend on the machine.

with rates as (
    select * from {{ ref('int_marts__fairness_rates') }}
),

final as (
    select
        -- ids
        as_of,
        scheme,
        segment_key,
        attribute,
        attribute_group,

        -- numbers
        customers,
        members,
        {% for number in [
            'customer_share', 'member_share', 'representation', 'parity_difference', 'difference_low', 'difference_high',
            'parity_ratio', 'ratio_low', 'ratio_high', 'p_value', 'p_corrected'
        ] -%}
        {{ rounded(number) }} as {{ number }},
        {% endfor %}
        -- words
        verdict
    from rates
)

select * from final
