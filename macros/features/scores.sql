{#-
    A score is the weighted mean of its known parts, each from 0 to 1: x / (x + h) of a quantity, 0.5 ^ (days / h) of a time,
    both 0.5 at h, which is in var score_half_points.

    engagement_score, null where no events are loaded:
      sessions   sessions in the last 30 days, x / (x + h)
      depth      mean events of these sessions, x / (x + h)
      recency    days since the last session, 0.5 ^ (days / h); 0 without one
    momentum_score, the last 90 days against the time before, back to 365 days; 0.5 is no change. Null until 90 days after
    the first order:
      orders     orders a day now / (now + before)
      revenue    the same for revenue, not below 0
    loyalty_score, null for prospects:
      tenure     days since the first order, x / (x + h)
      regularity calendar months with an order, of those from the first order to as_of
      breadth    distinct categories bought, x / (x + h)
      full_price share of bought lines without a discount
      tier       of the loyalty programme, as var loyalty_tiers values it; null without one
    churn_risk, null for prospects:
      silence    1 - exp(-days since the last order / the customer's mean gap): how unlikely so long a silence is in a
                 Poisson process at that pace. The mean includes one gap of var prior_gap_days.
      slowing    1 - orders of momentum_score
-#}
{% macro score_parts() %}
    {%- set tiers = [] -%}
    {%- for tier, value in setting('loyalty_tiers').items() -%}
        {%- do tiers.append('when ' ~ sql_literal(tier | string | lower) ~ ' then ' ~ value) -%}
    {%- endfor -%}
    {%- set momentum = {} -%}
    {%- for metric in ['orders', 'revenue'] -%}
        {%- set now = 'greatest(' ~ metric ~ '__90d, 0) / 90.0' -%}
        {%- set before = 'greatest(' ~ metric ~ '__365d_to_90d, 0) / (least(tenure_days__all, 365) - 90.0)' -%}
        {%- do momentum.update({metric: 'case when tenure_days__all > 90 then ' ~ now ~ ' / nullif(' ~ now ~ ' + ' ~ before ~ ', 0) end'}) -%}
    {%- endfor -%}
    {%- set values = {
        'engagement_score': {
            'sessions': 'case when has_events then ' ~ saturating_score('sessions__30d', 'sessions') ~ ' end',
            'depth': 'case when has_events then ' ~ saturating_score('coalesce(session_depth__30d, 0)', 'depth') ~ ' end',
            'recency': 'case when has_events then coalesce(power(0.5, session_recency_days__all / ' ~ setting('score_half_points').recency ~ '.0), 0) end',
        },
        'momentum_score': momentum,
        'loyalty_score': {
            'tenure': saturating_score('tenure_days__all', 'tenure'),
            'regularity': 'case when is_buyer then purchase_months__all / cast(greatest(purchase_months__all, 1 + floor(tenure_days__all / 30.4375)) as double) end',
            'breadth': 'case when is_buyer and categories > 0 then ' ~ saturating_score('categories', 'breadth') ~ ' end',
            'full_price': '1 - discount_affinity',
            'tier': 'case when is_buyer then case lower(loyalty_tier) ' ~ tiers | join(' ') ~ ' end end' if tiers else 'cast(null as double)',
        },
        'churn_risk': {
            'silence': '1 - exp(-recency_days__all * cast(purchase_days__all as double) / (tenure_days__all - recency_days__all + ' ~ setting('prior_gap_days') ~ '))',
            'slowing': '1 - (' ~ momentum.orders ~ ')',
        },
    } -%}
    {%- set kinds, weights, parts = {}, var('score_weights'), [] -%}
    {%- for score, values_of_parts in values.items() -%}
        {%- do kinds.update({score: {'keys': dict.fromkeys(values_of_parts, {'number': [0, 1000]})}}) -%}
    {%- endfor -%}
    {%- do check('Var score_weights', '', weights, {'keys': kinds}) -%}
    {%- for score, values_of_parts in values.items() -%}
        {%- if not weights[score].values() | sum -%}
            {%- do definition_error('Var score_weights', score, 'no weight above 0', 'at least one') -%}
        {%- endif -%}
        {%- for part, value in values_of_parts.items() -%}
            {%- do parts.append({'score': score, 'part': part, 'column': score ~ '__' ~ part, 'weight': weights[score][part], 'value': rounded(value)}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(parts) -}}
{% endmacro %}


{% macro score_names() %}
    {{- return(['engagement_score', 'momentum_score', 'loyalty_score', 'churn_risk']) -}}
{% endmacro %}


{% macro saturating_score(column, part) %}
    {{- return(column ~ ' / (' ~ column ~ ' + ' ~ setting('score_half_points')[part] ~ '.0)') -}}
{% endmacro %}


{% macro core_columns() %}
    {{- return([
        'recency_days__all', 'tenure_days__all', 'purchase_days__all', 'purchase_months__all',
        'orders__all', 'orders__365d', 'orders__365d_to_90d', 'orders__90d',
        'revenue__all', 'revenue__365d', 'revenue__365d_to_90d', 'revenue__90d',
        'decayed_revenue__all', 'monthly_revenue__90d', 'revenue_trend__180d', 'big_purchases__30d',
        'weekend_order_share__all', 'evening_order_share__all',
        'sessions__30d', 'session_depth__30d', 'session_recency_days__all',
        'cart_abandonment__90d', 'cart_value_left__90d', 'abandoned_cart_days__all',
    ]) -}}
{% endmacro %}
