-- One row per prediction, kind of threshold, attribute and group of the customers of its test: how many were called likely, and for how
-- many the outcome came about. Attributes that are known for none of them have no rows.

{% set attributes = setting('protected_attributes') -%}
{% set by_group = setting('group_thresholds') | list -%}

with cases as (
    select * from {{ ref('int_marts__prediction_cases') }}
),

thresholds as (
    select * from {{ ref('int_marts__prediction_thresholds') }}
),

judged as (
    select
        cases.*,
        'common' as thresholds,
        cases.probability >= cases.threshold as is_likely
    from cases
    {%- if by_group %}
    union all
    select
        cases.*,
        'by_group' as thresholds,
        cases.score >= coalesce(own.score, everyone.score) as is_likely
    from cases
    inner join thresholds as everyone
        on
            cases.target = everyone.target
            and everyone.threshold_group is null
    left join thresholds as own
        on
            cases.target = own.target
            and cases.threshold_group = own.threshold_group
    where cases.target in ('{{ by_group | join("', '") }}')
    {%- endif %}
),

grouped as (
    {% for attribute in attributes -%}
    select
        target,
        as_of,
        origin,
        thresholds,
        '{{ attribute }}' as attribute,
        {{ attribute }} as attribute_group,
        probability,
        outcome,
        case when is_likely then 1 else 0 end as likely
    from judged
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        target,
        as_of,
        origin,
        thresholds,
        '' as attribute,
        '' as attribute_group,
        probability,
        outcome,
        0 as likely
    from judged
    where false
    {% endfor %}
),

counted as (
    select
        target,
        as_of,
        origin,
        thresholds,
        attribute,
        attribute_group,
        cast(sum(outcome * likely) as bigint) as true_positives,
        cast(sum((1 - outcome) * likely) as bigint) as false_positives,
        cast(sum(outcome * (1 - likely)) as bigint) as false_negatives,
        cast(sum((1 - outcome) * (1 - likely)) as bigint) as true_negatives,
        {{ exact_sum('probability') }} as expected,
        {{ exact_sum('probability * (1 - probability)') }} as variance
    from grouped
    group by target, as_of, origin, thresholds, attribute, attribute_group
),

final as (
    select counted.*
    from counted
    inner join (
        select distinct
            target,
            attribute
        from counted
        where attribute_group <> 'unknown'
    ) as known_attributes
        on
            counted.target = known_attributes.target
            and counted.attribute = known_attributes.attribute
)

select
    *,
    {{ sample_hash([
        'target', 'origin', 'thresholds', 'attribute', 'attribute_group', 'true_positives', 'false_positives', 'false_negatives',
        'true_negatives', 'expected', 'variance'
    ], 'as_of') | indent(4) }} as sample_hash
from final
