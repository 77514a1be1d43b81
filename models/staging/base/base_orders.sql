-- Every raw order with explicit types and its one fate: loaded, deduplicated or quarantined.
--
-- Rules are evaluated in the order of the case below; the first that fails is the failed_rule.
-- Where one of the vars currency, earliest_plausible_date and latest_plausible_date is null, its rule never fails.

{% set no_currency = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}
{% set currency = sql_literal(reporting_currency()) if reporting_currency() else no_currency -%}

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'orders') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('order_id') }} as order_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,
        {{ to_key('campaign_id') }} as campaign_id,

        -- dates
        ordered_at as raw_ordered_at,
        {{ to_instant('ordered_at') }} as ordered_at,
        loaded_at as raw_loaded_at,
        {{ plausible_instant(to_instant('loaded_at')) }} as loaded_at,

        -- money
        amount as raw_amount,
        {{ to_money('amount') }} as amount,
        upper({{ to_text('currency') }}) as currency,

        -- words
        lower({{ to_text('status') }}) as status_word,
        {{ to_text('channel') }} as channel,
        {{ to_text('coupon') }} as coupon,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['order_id', 'customer_ref', 'campaign_id']) }} as has_inexact_key
    from source
),

zone_days as (
    {{ zone_days() | indent(4) }}
),

dated as {{ not_materialized() }} (
    select
        typed.*,
        {{ local_date_by_zone_day('typed.ordered_at') | indent(8) }} as ordered_on,
        case
            when {{ 'false' if setting('zero_orders_count') else 'typed.amount = 0' }} then 'ignored'
            when typed.status_word is null and typed.amount >= 0 then 'completed'
            when typed.status_word is null then 'returned'
            {%- for word, meaning in setting('order_statuses').items() %}
            when typed.status_word = {{ sql_literal(word | string | lower) }} then '{{ meaning }}'
            {%- endfor %}
            when typed.status_word in ('completed', 'returned', 'ignored') then typed.status_word
        end as status
    from typed
    left join zone_days on {{ utc_date('typed.ordered_at') }} = zone_days.utc_day
),

row_checks as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields({'loaded_at': 'raw_loaded_at'}) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when order_id is null then 'missing_order_id'
            when raw_ordered_at is null then 'missing_ordered_at'
            when ordered_at is null then 'impossible_date'
            when raw_amount is null then 'missing_amount'
            when amount is null then 'invalid_amount'
            when abs(amount) > {{ setting('largest_plausible_amount') }} then 'implausible_amount'
            when currency <> {{ currency }} then 'other_currency'
            when status is null then 'unknown_status'
            when status = 'completed' and amount < 0 then 'negative_completed'
            when status = 'returned' and amount > 0 then 'positive_return'
            when {{ seconds_between('loaded_at', 'ordered_at') }} > 86400 then 'future_date'
            when ordered_on < {{ plausible_date_limit('earliest_plausible_date') }} then 'implausible_date'
            when ordered_on > {{ plausible_date_limit('latest_plausible_date') }} then 'future_date'
        end as failed_row_rule
    from dated
),

-- The columns that repeats and gaps are found by. Small enough to materialize.
readable_rows as {{ materialized() }} (
    select
        ordered_on,
        {{ quick_hash(['order_id', 'source_system']) }} as key_hash
    from row_checks
    where failed_row_rule is null
),

-- One order of 2087 must not move as_of, nor must a handful. If there is a gap of more than 366 days between valid orders and
-- no more orders after it than before, those after it are implausible. Nor may one order of 1980 begin the history: those
-- before such a gap are implausible if they are at most one in twenty. More of them are a shop that paused.
order_days as (
    select
        ordered_on,
        count(*) as orders
    from readable_rows
    group by ordered_on
),

gaps as (
    select
        ordered_on,
        lead(ordered_on) over (order by ordered_on) as next_ordered_on,
        {{ dbt.datediff('ordered_on', 'lead(ordered_on) over (order by ordered_on)', 'day') }}  -- noqa: LT05
            as days_to_next,
        sum(orders) over (order by ordered_on) as orders_until,
        sum(orders) over () as orders_in_all
    from order_days
),

plausible_dates as (
    select
        max(case when 20 * orders_until <= orders_in_all then ordered_on end) as implausible_until,
        min(case when orders_in_all - orders_until <= orders_until then next_ordered_on end) as implausible_from
    from gaps
    where days_to_next > 366
),

judged as {{ not_materialized() }} (
    select
        row_checks.*,
        case
            when row_checks.failed_row_rule is not null then row_checks.failed_row_rule
            when row_checks.ordered_on <= plausible_dates.implausible_until then 'implausible_date'
            when row_checks.ordered_on >= plausible_dates.implausible_from then 'future_date'
        end as failed_rule
    from row_checks
    cross join plausible_dates
),

{{ row_fates(
    'judged',
    keys_in='readable_rows',
    key=['order_id', 'source_system'],
    content=['customer_ref', 'campaign_id', 'ordered_at', 'amount', 'currency', 'status', 'channel', 'coupon'],
    loaded_at='loaded_at',
    uncompared=['loaded_at', 'ordered_on', 'is_synthetic', 'unusable_fields'],
    offending_columns={
        'impossible_date': 'raw_ordered_at',
        'implausible_date': 'raw_ordered_at',
        'future_date': 'raw_ordered_at',
        'invalid_amount': 'raw_amount',
        'implausible_amount': 'raw_amount',
        'negative_completed': 'raw_amount',
        'positive_return': 'raw_amount',
        'other_currency': 'currency',
        'unknown_status': 'status_word'
    }
) }}

select * from fates
