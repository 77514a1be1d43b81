-- Both sets of rates of the period before are judged by where its customers are now. The rates by scores are in force where their
-- log loss is smaller by a 95% interval above 0, as any model has to beat its naive rule.

{% set least_customers = 100 -%}
{% set gain = '(ln(rates.by_scores) - ln(rates.by_segment))' -%}

with steps as (
    select
        as_of,
        previous_as_of
    from {{ ref('int_periods') }}
    where compared_days is not null
),

moves as (
    select * from {{ ref('int_marts__rfm_moves') }}
),

rates as (
    select * from {{ ref('int_marts__next_segment_rates') }}
),

tests as (
    select
        moves.period,
        rates.period as tested_period,
        cast(sum(moves.customers) as bigint) as customers,
        -{{ exact_sum('moves.customers * ln(rates.by_segment)') }} / sum(moves.customers) as log_loss_by_segment,
        -{{ exact_sum('moves.customers * ln(rates.by_scores)') }} / sum(moves.customers) as log_loss_by_scores,
        {{ exact_sum('moves.customers * ' ~ gain) }} / sum(moves.customers) as gain_mean,
        {{ exact_sum('moves.customers * power(' ~ gain ~ ', 2)') }} / sum(moves.customers) as gain_square
    from steps
    inner join moves on steps.as_of = moves.period
    inner join rates
        on
            steps.previous_as_of = rates.period
            and moves.from_segment = rates.from_segment
            and moves.recency_score = rates.recency_score
            and moves.frequency_score = rates.frequency_score
            and moves.to_segment = rates.to_segment
    group by moves.period, rates.period
),

errors as (
    select
        *,
        1.96 * sqrt(greatest(gain_square - power(gain_mean, 2), 0) / customers) as margin
    from tests
),

judged as (
    select
        steps.as_of as period,
        errors.tested_period,
        coalesce(errors.customers, 0) as customers,
        {{ rounded('errors.log_loss_by_segment') }} as log_loss_by_segment,
        {{ rounded('errors.log_loss_by_scores') }} as log_loss_by_scores,
        {{ rounded('errors.gain_mean') }} as gain_mean,
        {{ rounded('errors.gain_mean - errors.margin') }} as gain_low,
        {{ rounded('errors.gain_mean + errors.margin') }} as gain_high,
        case
            when errors.customers is null then 'no_outcomes'
            when errors.customers < {{ least_customers }} then 'too_few'
            when {{ rounded('errors.gain_mean - errors.margin') }} > 0 then 'in_force'
            else 'naive_stays'
        end as verdict
    from steps
    left join errors on steps.as_of = errors.period
),

worded as (
    select
        {%- for figure in ['log_loss_by_segment', 'log_loss_by_scores', 'gain_mean', 'gain_low', 'gain_high'] %}
        {{ rounded_text(figure, 3) }} as {{ figure }}_in_words,
        {%- endfor %}
        judged.*
    from judged
),

final as (
    select
        -- ids
        period,
        case when verdict = 'in_force' then 'by_scores' else 'by_segment' end as model,

        -- words
        verdict,
        case verdict
            when 'no_outcomes' then 'The rates of the segments are in force: no rates have been tested yet.'
            when 'too_few'
                then
                    'The rates of the segments are in force: '
                    || 'fewer than {{ least_customers }} customers are too few to test others.'
            else
                'The rates ' || case when verdict = 'in_force' then 'by scores are' else 'of the segments stay' end
                || ' in force: from ' || cast(tested_period as {{ dbt.type_string() }}) || ' to '
                || cast(period as {{ dbt.type_string() }}) || ' log loss was ' || log_loss_by_scores_in_words
                || ' by scores and ' || log_loss_by_segment_in_words || ' by segment; the difference of '
                || gain_mean_in_words || ' (95% interval ' || gain_low_in_words || ' to ' || gain_high_in_words
                || ') is ' || case
                    when verdict = 'in_force' then 'clearly above 0.'
                    when gain_high < 0 then 'below 0.'
                    else 'not clearly above 0.'
                end
        end as why,

        -- numbers
        customers,
        log_loss_by_segment,
        log_loss_by_scores,
        gain_mean,
        gain_low,
        gain_high,

        -- dates
        tested_period
    from worded
)

select * from final
