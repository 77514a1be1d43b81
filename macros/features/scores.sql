{#-
    A score but the last is the weighted mean of its known parts, each from 0 to 1: x / (x + h) of a quantity,
    0.5 ^ (days / h) of a time, both 0.5 at h, which is in var score_half_points. The columns buyers__* describe all buyers
    at as_of.

    engagement_score, null where no events are loaded:
      sessions   sessions in the last 30 days, x / (x + h)
      depth      mean events of these sessions, x / (x + h)
      recency    days since the last session, 0.5 ^ (days / h); 0 without one
    momentum_score, the last 90 days against the time before, back to 365 days; 0.5 is no change. Null until 180
    days after the first order, since the order that began a shorter time before would look like a quick pace:
      orders     orders a day now / (now + before)
      revenue    the same for revenue, not below 0
    loyalty_score, null for prospects:
      tenure     days from the first order to the last, x / (x + h)
      regularity calendar months with an order, of those from the first order on. Until three months have an order or 92 days
                 have passed since the first one, the mean of the buyers for whom they have
      breadth    distinct categories bought, x / (x + h)
      full_price share of bought lines without a discount
      tier       of the loyalty programme, as var loyalty_tiers values it; 0 for buyers outside it, null if no buyer is in it
    churn_risk, null for prospects: the chance of no order in the next 90 days, which is the sum of two chances. They follow the
    modified BG/NBD model (Batislam, Denizel, Filiztekin 2007): orders come at a pace of the customer's own, and after each
    one the customer may stop.
      stopped    that the customer has stopped: odds / (odds + silence). odds: of stopping after the first order, those of
                 the share of buyers who bought once, over the customer's days with an order, since who came back once comes
                 back again. silence: the chance of so long a silence at the customer's own pace.
      later      that the customer has not stopped, but orders after these 90 days
    The pace is the mean gap between days with an order, with four gaps of the buyers' mean as prior. As the pace is not known
    exactly, the chance of t days without an order is (s / (s + t)) ^ n, where n gaps add up to s days.
-#}
{% macro score_parts() %}
    {%- set tiers = [] -%}
    {%- for tier, value in setting('loyalty_tiers').items() -%}
        {%- do tiers.append('when ' ~ sql_literal(tier | string | lower) ~ ' then ' ~ value) -%}
    {%- endfor -%}
    {%- set momentum = {} -%}
    {%- for metric in ['orders', 'revenue'] -%}
        {%- set now = 'cast(greatest(' ~ metric ~ '__90d, 0) as double) / 90' -%}
        {%- set before = 'cast(greatest(' ~ metric ~ '__365d_to_90d, 0) as double) / (least(tenure_days__all, 365) - 90)' -%}
        {%- do momentum.update({metric: 'case when tenure_days__all >= 180 then ' ~ now ~ ' / nullif(' ~ now ~ ' + ' ~ before ~ ', 0) end'}) -%}
    {%- endfor -%}
    {%- set order_span = '(tenure_days__all - recency_days__all)' -%}
    {%- set gaps, prior_days = '(purchase_days__all + 3)', '4 * buyers__gap_days' -%}
    {%- set silence = 'power((' ~ prior_days ~ ' + ' ~ order_span ~ ') / (' ~ prior_days ~ ' + tenure_days__all), ' ~ gaps ~ ')' -%}
    {%- set next_silence = 'power((' ~ prior_days ~ ' + tenure_days__all) / (' ~ prior_days ~ ' + tenure_days__all + 90), ' ~ gaps ~ ')' -%}
    {%- set odds = 'buyers__one_time_share / (1 - buyers__one_time_share) / nullif(purchase_days__all, 0)' -%}
    {%- set values = {
        'engagement_score': {
            'sessions': 'case when has_events then ' ~ saturating_score('sessions__30d', 'sessions') ~ ' end',
            'depth': 'case when has_events then ' ~ saturating_score('coalesce(session_depth__30d, 0)', 'depth') ~ ' end',
            'recency': 'case when has_events then coalesce(power(0.5, session_recency_days__all / ' ~ setting('score_half_points').recency ~ '), 0) end',
        },
        'momentum_score': momentum,
        'loyalty_score': {
            'tenure': saturating_score(order_span, 'tenure'),
            'regularity': 'case when is_buyer then coalesce(' ~ regularity() ~ ', buyers__regularity) end',
            'breadth': 'case when is_buyer and categories > 0 then ' ~ saturating_score('categories', 'breadth') ~ ' end',
            'full_price': '1 - discount_affinity',
            'tier': 'case when is_buyer and buyers__have_tiers then case when loyalty_tier is null then 0 else case lower(loyalty_tier) ' ~ tiers | join(' ') ~ ' end end end' if tiers else 'cast(null as double)',
        },
        'churn_risk': {
            'stopped': odds ~ ' / (' ~ odds ~ ' + ' ~ silence ~ ')',
            'later': silence ~ ' / (' ~ odds ~ ' + ' ~ silence ~ ') * ' ~ next_silence,
        },
    } -%}
    {%- set kinds, weights, parts = {}, var('score_weights'), [] -%}
    {%- for score, values_of_parts in values.items() if score != 'churn_risk' -%}
        {%- do kinds.update({score: {'keys': dict.fromkeys(values_of_parts, {'number': [0, 1000]})}}) -%}
    {%- endfor -%}
    {%- do check('Var score_weights', '', weights, {'keys': kinds}) -%}
    {%- for score, values_of_parts in values.items() -%}
        {%- if score in weights and not weights[score].values() | sum -%}
            {%- do definition_error('Var score_weights', score, 'no weight above 0', 'at least one') -%}
        {%- endif -%}
        {%- for part, value in values_of_parts.items() -%}
            {%- do parts.append({'score': score, 'part': part, 'column': score ~ '__' ~ part, 'weight': weights.get(score, {}).get(part), 'value': rounded(value)}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(parts) -}}
{% endmacro %}


{#-
    The mean gap between days with an order has four gaps of the buyers' mean as prior, as in churn_risk: after one order it is that
    mean. A later last order makes the silence shorter and the gap longer. One more order may make the gap shorter, so after two
    orders in a row silence weighs more; one on the newest day never does.
-#}
{% macro recency_in_own_gaps() %}
    {{- return('cast(recency_days__all as double) * (purchase_days__all + 3) / (4 * buyers__gap_days + tenure_days__all - recency_days__all)') -}}
{% endmacro %}


{#- One month or two say nothing of a habit. -#}
{% macro regularity() %}
    {%- set first, last = days_before('as_of', 'tenure_days__all'), days_before('as_of', 1) -%}
    {#- dbt.datediff counts a month more on Spark, from the 31st to the last day of a shorter month. -#}
    {%- set months = '(12 * (year(' ~ last ~ ') - year(' ~ first ~ ')) + month(' ~ last ~ ') - month(' ~ first ~ ') + 1)' -%}
    {{- return('case when purchase_months__all >= 3 or tenure_days__all >= 92 then purchase_months__all / cast(' ~ months ~ ' as double) end') -}}
{% endmacro %}


{#-
    What the scores take from all buyers at an as_of. The share of one-time buyers is weighted by days since the first order,
    because newcomers had no time to return, and includes one buyer of each kind, so that the odds are finite; twelve digits keep
    it below 1 among millions of buyers. While no buyer has come back, the mean time since the first order stands for the gap.
-#}
{% macro buyers_columns() %}
    {{- return({
        'buyers__one_time_share': rounded('(count(*) * cast(sum(case when purchase_days__all = 1 then tenure_days__all else 0 end) as double) / sum(tenure_days__all) + 1) / (count(*) + 2)', digits=12),
        'buyers__gap_days': rounded('coalesce(' ~ exact_mean('case when purchase_days__all > 1 then (tenure_days__all - recency_days__all) / cast(purchase_days__all - 1 as double) end') ~ ', avg(tenure_days__all))'),
        'buyers__regularity': rounded(exact_mean(regularity())),
        'buyers__have_tiers': 'count(loyalty_tier) > 0',
    }) -}}
{% endmacro %}


{% macro score_names() %}
    {{- return(['engagement_score', 'momentum_score', 'loyalty_score', 'churn_risk']) -}}
{% endmacro %}


{% macro saturating_score(column, part) %}
    {{- return('cast(' ~ column ~ ' as double) / (' ~ column ~ ' + ' ~ setting('score_half_points')[part] ~ ')') -}}
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
