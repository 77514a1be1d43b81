-- One row per as_of, eligible customer and rule segment the customer is in.
--
-- All rules are tried in one pass over the wide table; each becomes one condition of a list. A segment with stay_until is
-- entered by its rule and left when stay_until fails: whoever entered later than stay_until last failed is in. That is replayed
-- over the periods, from the first on, and reads nothing that an earlier build has left.

{% set lasting = rule_segments() | rejectattr('stay_until', 'none') | map(attribute='segment_key') | list -%}

with features as (
    select * from {{ ref('int_segmentation__customers') }}
),

cutpoints as (
    {{ rule_cuts_in_force() | indent(4) }}
),

entered as (
    select
        features.as_of,
        features.customer_key,
        {{ matching_segments(rule_segments()) | indent(8) }} as segment_key
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
),

{% if lasting -%}
staying as (
    select
        features.as_of,
        features.customer_key,
        {{ matching_segments(rule_segments(), part='stay_until') | indent(8) }} as segment_key
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
),

ever_entered as (
    select distinct
        customer_key,
        segment_key
    from entered
    where segment_key in ({% for key in lasting %}{{ sql_literal(key) }}{{ ', ' if not loop.last }}{% endfor %})
),

replayed as (
    select
        features.as_of,
        ever_entered.customer_key,
        ever_entered.segment_key,
        max(entered.as_of) over up_to_as_of as last_entered,
        max(
            case when entered.as_of is null and staying.as_of is null then features.as_of end
        ) over up_to_as_of as last_failed
    from ever_entered
    inner join features on ever_entered.customer_key = features.customer_key
    left join entered
        on
            features.as_of = entered.as_of
            and ever_entered.customer_key = entered.customer_key
            and ever_entered.segment_key = entered.segment_key
    left join staying
        on
            features.as_of = staying.as_of
            and ever_entered.customer_key = staying.customer_key
            and ever_entered.segment_key = staying.segment_key
    window up_to_as_of as (
        partition by ever_entered.customer_key, ever_entered.segment_key
        order by features.as_of
    )
),

{% endif -%}
rule_memberships as (
    select
        as_of,
        customer_key,
        segment_key
    from entered
    {% if lasting -%}
    where segment_key not in ({% for key in lasting %}{{ sql_literal(key) }}{{ ', ' if not loop.last }}{% endfor %})
    union all
    select
        as_of,
        customer_key,
        segment_key
    from replayed
    where last_entered > last_failed or (last_entered is not null and last_failed is null)
    {%- endif %}
)

select * from rule_memberships
