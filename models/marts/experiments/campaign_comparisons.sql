-- An observational comparison: customers whom a campaign contacted against others of the same rfm segment, who were not. The
-- change of the contacted less that of the others, segment by segment, weighted by the contacted (difference in differences).
--
-- Contacts are not random, so such a difference may have been there without the campaign. The placebo shows it: the same for the
-- days before, in which the campaign can't have had an effect. Example: a campaign goes to customers who are about to buy. Then
-- they buy more than the others before it, and the placebo is not 0. Spans are four whole weeks, so that weekdays are alike.

{% set days = 28 -%}
{% set smallest = setting('smallest_cell') -%}

with contacts as (
    select * from {{ ref('int_facts__contacts') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

orders as (
    select * from {{ ref('int_facts__orders') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

current_period as (
    select as_of
    from periods
    where is_current
),

campaigns as (
    select
        campaign_id,
        min(contacted_on) as contacted_on
    from contacts
    group by campaign_id
),

dated as (
    select
        campaigns.campaign_id,
        campaigns.contacted_on,
        periods.as_of,
        {{ days_after('campaigns.contacted_on', days) }} <= current_period.as_of as is_whole
    from campaigns
    cross join current_period
    left join periods
        on
            campaigns.contacted_on >= periods.as_of
            and (campaigns.contacted_on < periods.next_as_of or periods.next_as_of is null)
),

placed as (
    select
        dated.campaign_id,
        customers.customer_key,
        customers.rfm,
        contacts.customer_key is not null as is_contacted
    from dated
    inner join customers on dated.as_of = customers.as_of
    left join contacts
        on
            dated.campaign_id = contacts.campaign_id
            and customers.customer_key = contacts.customer_key
    where dated.is_whole and customers.rfm is not null
),

-- Days from the first contact: what counts for a comparison, and what is taken off.
spans as (
    select 'effect' as comparison, 0 as first_day, {{ days }} as until_day, 1 as sign
    union all
    select 'effect' as comparison, -{{ days }} as first_day, 0 as until_day, -1 as sign
    union all
    select 'placebo' as comparison, -{{ days }} as first_day, 0 as until_day, 1 as sign
    union all
    select 'placebo' as comparison, -{{ 2 * days }} as first_day, -{{ days }} as until_day, -1 as sign
),

comparisons as (
    select distinct comparison
    from spans
),

changed as (
    select
        dated.campaign_id,
        spans.comparison,
        orders.customer_key,
        sum(case when orders.is_completed then spans.sign else 0 end) as orders,
        sum(spans.sign * orders.amount) as revenue
    from dated
    cross join spans
    inner join orders
        on
            orders.day >= {{ days_after('dated.contacted_on', 'spans.first_day') }}
            and orders.day < {{ days_after('dated.contacted_on', 'spans.until_day') }}
    where dated.is_whole
    group by dated.campaign_id, spans.comparison, orders.customer_key
),

changes as (
    {% for metric in ['orders', 'revenue'] -%}
    select
        placed.campaign_id,
        comparisons.comparison,
        placed.rfm,
        placed.is_contacted,
        '{{ metric }}' as metric,
        cast(coalesce(changed.{{ metric }}, 0) as decimal(18, 2)) as change
    from placed
    cross join comparisons
    left join changed
        on
            placed.campaign_id = changed.campaign_id
            and placed.customer_key = changed.customer_key
            and comparisons.comparison = changed.comparison
    {{ 'union all' if not loop.last }}
    {% endfor -%}
),

sides as (
    select
        campaign_id,
        metric,
        comparison,
        rfm,
        is_contacted,
        count(*) as customers,
        {{ exact_mean('change') }} as mean,
        {{ exact_mean('change * change') }} as mean_square
    from changes
    group by campaign_id, metric, comparison, rfm, is_contacted
    having count(*) > 1
),

matched as (
    select
        contacted.campaign_id,
        contacted.metric,
        contacted.comparison,
        contacted.customers as contacted,
        others.customers as others,
        contacted.mean - others.mean as difference,
        (contacted.mean_square - contacted.mean * contacted.mean) / (contacted.customers - 1)
        + (others.mean_square - others.mean * others.mean) / (others.customers - 1) as spread
    from sides as contacted
    inner join sides as others
        on
            contacted.campaign_id = others.campaign_id
            and contacted.metric = others.metric
            and contacted.comparison = others.comparison
            and contacted.rfm = others.rfm
    where contacted.is_contacted and not others.is_contacted
),

differences as (
    select
        campaign_id,
        metric,
        comparison,
        sum(contacted) as contacted,
        sum(others) as others,
        sum(contacted * difference) / sum(contacted) as difference,
        1.96 * sqrt(sum(contacted * contacted * spread)) / sum(contacted) as half
    from matched
    group by campaign_id, metric, comparison
),

metrics as (
    select 'orders' as metric
    union all
    select 'revenue' as metric
),

compared as (
    select
        dated.campaign_id,
        metrics.metric,
        dated.contacted_on,
        dated.as_of is not null as has_period,
        dated.is_whole,
        cast(coalesce(effects.contacted, 0) as bigint) as contacted,
        cast(coalesce(effects.others, 0) as bigint) as others,
        {{ rounded('effects.difference') }} as effect,
        {{ rounded('effects.difference - effects.half') }} as effect_low,
        {{ rounded('effects.difference + effects.half') }} as effect_high,
        {{ rounded('placebos.difference') }} as placebo,
        {{ rounded('placebos.difference - placebos.half') }} as placebo_low,
        {{ rounded('placebos.difference + placebos.half') }} as placebo_high
    from dated
    cross join metrics
    left join differences as effects
        on
            dated.campaign_id = effects.campaign_id
            and metrics.metric = effects.metric
            and effects.comparison = 'effect'
    left join differences as placebos
        on
            dated.campaign_id = placebos.campaign_id
            and metrics.metric = placebos.metric
            and placebos.comparison = 'placebo'
),

final as (
    select
        -- ids
        campaign_id,
        metric,

        -- words
        'observational: ' || case
            when not has_period then 'not to be judged, no segments are known of the days before it'
            when not is_whole then 'not to be judged, the {{ days }} days from the first contact are not over'
            when least(contacted, others) < {{ smallest }}
                then 'withheld, fewer than {{ smallest }} customers on a side'
            when placebo_low > 0 or placebo_high < 0
                then
                    'no evidence of an effect, the contacted already changed by ' || {{ rounded_text('placebo') }}
                    || ' more than the others before the first contact'
            when effect_low > 0 or effect_high < 0
                then
                    'the contacted changed by ' || {{ rounded_text('effect') }} || ' more than the others, 95% '
                    || {{ rounded_text('effect_low') }} || ' to ' || {{ rounded_text('effect_high') }}
                    || ', and not before; only an experiment can say why'
            else
                'no difference seen, 95% ' || {{ rounded_text('effect_low') }} || ' to '
                || {{ rounded_text('effect_high') }}
        end as verdict,

        -- numbers
        case when least(contacted, others) >= {{ smallest }} then contacted end as contacted,
        case when least(contacted, others) >= {{ smallest }} then others end as others,
        {%- for number in ['effect', 'effect_low', 'effect_high', 'placebo', 'placebo_low', 'placebo_high'] %}
        case when least(contacted, others) >= {{ smallest }} then {{ number }} end as {{ number }},
        {%- endfor %}

        -- dates
        contacted_on
    from compared
)

select * from final
