{#- Why a customer is in a segment, made of the customer's own values by the macros that decide the membership. -#}
{% macro membership_reason(memberships, features) -%}
case
    when {{ memberships }}.scheme not in ('{{ (['rule'] + partial_schemes()) | join("', '") }}') and not {{ features }}.is_buyer
        then 'no completed order'
    {%- for segment in rule_segments() %}
    when {{ memberships }}.segment_key = '{{ segment.segment_key }}' then {{ rule_reason(segment, features) | indent(4) }}
    {%- endfor %}
    else {{ scheme_reason(memberships ~ '.scheme', features) | indent(4) }}
end
{%- endmacro %}


{#- Why a buyer is in a segment of an exclusive scheme: the values, and the scores where there are any. -#}
{% macro scheme_reason(scheme, features) -%}
case {{ scheme }}
    when 'rfm' then
        'last order ' || {{ counted(features ~ '.recency_days__all', 'day') }} || ' ago (score ' || {{ features }}.recency_score || '), '
        || {{ counted(features ~ '.orders__all', 'order') }} || ' (score ' || {{ features }}.frequency_score || ')'
    when 'value_tier' then 'revenue in the last 365 days: ' || {{ money_words(features ~ '.revenue__365d') }}
    when 'spend_breaks' then 'lifetime revenue: ' || {{ money_words(features ~ '.revenue__all') }}
    when 'spend_limits' then 'lifetime revenue: ' || {{ money_words(features ~ '.revenue__all') }}
    when 'purchase_rhythm' then 'orders in the last 365 days: ' || cast({{ features }}.orders__365d as {{ dbt.type_string() }})
    when 'lifecycle' then
        'first order ' || {{ counted(features ~ '.tenure_days__all', 'day') }} || ' ago, last order '
        || {{ counted(features ~ '.recency_days__all', 'day') }} || ' ago'
        || coalesce(' after a gap of ' || {{ counted(features ~ '.gap_days', 'day') }}, '')
    when 'demographic' then '{{ demographic_attribute() | replace("_", " ") }}: ' || {{ features }}.demographic
    {%- for scheme in ['cluster', 'journeys'] %}
    when '{{ scheme }}' then coalesce(
        case when {{ features }}.{{ scheme }} = 'outlier' then 'far from every centre, the nearest is ' else 'nearest centre, ' end
        || cast(round({{ features }}.{{ scheme }}_distance, 2) as {{ dbt.type_string() }}) || ' standard deviations away',
        'no clusters were found'
    )
    {%- endfor %}
end
{%- endmacro %}
